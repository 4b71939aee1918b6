// The passage as coloured text, one element a symbol, and a strip of each layer's memories.

const COLOURINGS = {
  span: "span",
  attention: "attention received",
  bits: "bits",
  change: "change of span",
  worse: "bits more with the limit",
};

class TextView {
  constructor(host, trace, actions) {
    Object.assign(this, { host, trace, passage: null, symbols: [], current: null, pointed: null });
    host.classList.toggle("words", trace.isWords);
    const stepOf = (event) => event.target.closest?.("[data-i]")?.dataset.i;
    host.addEventListener("mouseover", (event) => stepOf(event) !== undefined && actions.point(Number(stepOf(event))));
    host.addEventListener("mouseleave", () => actions.point(null));
    host.addEventListener("click", (event) => stepOf(event) !== undefined && actions.goTo(Number(stepOf(event))));
  }

  // Lines of the text are paragraphs, so that the browser lays out those on the screen alone.
  open(passage) {
    Object.assign(this, { passage, symbols: [], current: null, pointed: null });
    let line = make("p");
    const lines = [line];
    passage.pieces.forEach((piece, i) => {
      const isStory = i > 0 && passage.story_start[i] === i;
      if (isStory && line.childNodes.length) lines.push((line = make("p")));
      if (isStory) line.classList.add("story");
      const symbol = this.symbolOf(piece, i);
      this.symbols.push(symbol);
      line.append(symbol, this.trace.isWords ? " " : piece.trim() ? "" : make("wbr"));
      if (piece === "\n") lines.push((line = make("p")));
    });
    this.bases = this.symbols.map((symbol) => symbol.className);
    this.host.replaceChildren(...lines);
  }

  symbolOf(piece, i) {
    const isBlank = piece !== "" && !piece.trim();
    const isPut = this.passage.original !== null && this.passage.original[i] < 0;
    const symbol = document.createElement("span");
    symbol.dataset.i = i;
    symbol.className = [isBlank && "blank", piece === "" && "joined", isPut && "put"].filter(Boolean).join(" ");
    if (isBlank) symbol.append(make("i", {}, visible(piece)));
    else symbol.textContent = piece;
    return symbol;
  }

  // layer: a number, or the number of layers for all of them stacked, the last one on top.
  colour(layer, colouring) {
    const { trace, passage } = this;
    const isStacked = layer === trace.numLayers && colouring !== "bits" && colouring !== "worse";
    this.host.classList.toggle("stacked", isStacked);
    this.host.style.setProperty("--bands", `${Math.max(2, Math.min(5, Math.floor(20 / trace.numLayers))) * trace.numLayers}px`);
    const layers = isStacked ? [...passage.layers.keys()].reverse() : [Math.min(layer, trace.numLayers - 1)];
    const [scale, classOf] = this.classes(layer, layers, colouring);
    this.scale = scale;
    this.symbols.forEach((symbol, i) => {
      const names = layers.map((one) => classOf(i, one));
      symbol.style.backgroundImage = isStacked ? stackedImage(names) : "";
      symbol.className = `${this.bases[i]} ${isStacked ? "" : names[0]}`.trim();
    });
    const { current, pointed } = this;
    this.mark("current", current, true);
    this.mark("pointed", pointed, true);
  }

  classes(layer, layers, colouring) {
    const { trace, passage } = this;
    if (colouring === "bits") {
      const scale = bitsScale(passage);
      const level = (i) => costOf(passage, passage.bits, i);
      return [scale, (i) => (Number.isNaN(level(i)) ? "" : `s${scale.level(level(i))}`)];
    }
    if (colouring === "worse") {
      const high = passage.difference.reduce((most, one) => (Math.abs(one) > most ? Math.abs(one) : most), 0) || 1;
      const share = (i) => -costOf(passage, passage.difference, i) / high; // worse as what is shorter
      return [{ low: `−${amount(high)} bits`, high: `+${amount(high)} bits`, isSigned: -1 }, (i) => signedClass(share(i))];
    }
    if (colouring === "change") {
      const before = trace.passages[0];
      const share = (i, one) => {
        const place = passage.original ? passage.original[i] : i;
        return place < 0 ? 0 : Math.log2((1 + passage.layers[one].span[i]) / (1 + before.layers[one].span[place])) / 3;
      };
      return [{ low: "1/8 of it", high: "8 times", isSigned: 1 }, (i, one) => signedClass(share(i, one))];
    }
    const scale = colouring === "span" ? trace.spanScales[layer] : attentionScale(passage, layers);
    return [scale, (i, one) => `s${scale.level(passage.layers[one][colouring][i])}`];
  }

  mark(name, step, always = false) {
    if (this[name] === step && !always) return;
    this.symbols[this[name]]?.classList.remove(name);
    this[name] = step;
    this.symbols[step]?.classList.add(name);
  }

  scrollTo(step) {
    const symbol = this.symbols[step];
    const box = this.host.getBoundingClientRect();
    const place = symbol.getBoundingClientRect();
    if (place.top < box.top + 24 || place.bottom > box.bottom - 24) {
      this.host.scrollTop += place.top - box.top - box.height / 2;
    }
  }
}

// One band a layer, drawn from the colours of the classes.
function stackedImage(names) {
  const share = 100 / names.length;
  const bands = names.map((name, k) => `var(--${name || "s0"}) ${k * share}% ${(k + 1) * share}%`);
  return `linear-gradient(${bands.join(",")})`;
}

// A layer's symbols along the passage: those alive now in the colour of their span, the others faint or not yet read.
class Strip {
  constructor(number, actions) {
    this.number = number;
    this.canvas = make("canvas", { role: "img" });
    this.count = make("span", {});
    this.row = make(
      "div",
      { class: "strip-row" },
      make("button", { type: "button", onclick: () => actions.setLayer(number) }, `layer ${number + 1}`),
      this.canvas,
      this.count,
    );
    this.canvas.addEventListener("click", ({ offsetX }) =>
      actions.goTo(Math.floor((offsetX / this.canvas.clientWidth) * actions.count())),
    );
  }

  draw(trace, passage, step, colours) {
    const alive = aliveAt(passage, this.number, step);
    this.alive = alive;
    this.count.textContent = `${grouped(alive.length)} alive`;
    this.canvas.setAttribute("aria-label", `layer ${this.number + 1}: ${alive.length} symbols alive at ${step}`);
    const ratio = window.devicePixelRatio || 1;
    const width = (this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio)));
    const height = (this.canvas.height = Math.round(16 * ratio));
    const context = this.canvas.getContext("2d");
    const column = width / passage.count;
    context.fillStyle = colours.sunken;
    context.fillRect(0, 0, Math.ceil((step + 1) * column), height);
    const { span } = passage.layers[this.number];
    const scale = trace.spanScales[trace.numLayers];
    const levels = new Int8Array(width).fill(-1); // of each pixel the longest span
    for (const i of alive) {
      const level = scale.level(span[i]);
      const last = Math.max(Math.floor(i * column), Math.ceil((i + 1) * column) - 1);
      for (let x = Math.floor(i * column); x <= last; x++) levels[x] = Math.max(levels[x], level);
    }
    for (let x = 0; x < width; x++) {
      if (levels[x] < 0) continue;
      context.fillStyle = colours.levels[Math.max(3, levels[x])];
      context.fillRect(x, 0, 1, height);
    }
    context.fillStyle = colours.now;
    context.fillRect(Math.round((step + 0.5) * column) - ratio, 0, 2 * ratio, height);
  }
}
