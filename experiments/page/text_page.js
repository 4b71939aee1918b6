// The page: which reading, layer, colouring and symbol; all else is drawn from these. Keys and pointers change them.

const media = matchMedia("(prefers-color-scheme: dark)");
const state = { trace: null, passage: null, layer: 0, colouring: "span", step: 0, pointed: null };
const colours = { levels: [] };
let view = null;
let strips = [];

const actions = {
  goTo,
  setLayer,
  point: (step) => {
    state.pointed = step;
    draw();
  },
  show: (passage, layer, step) => {
    openReading(passage);
    if (layer !== null) setLayer(layer);
    goTo(step);
    byId("text").scrollIntoView({ block: "nearest" });
  },
  count: () => state.passage.count,
};

function open() {
  const trace = openTrace(JSON.parse(document.querySelector("script.payload").textContent));
  state.trace = trace;
  showHeader(trace);
  fillSelect("passage", trace.passages.map(({ name }, index) => [index, name]));
  byId("passage-field").hidden = trace.passages.length < 2;
  const layers = Array.from({ length: trace.numLayers }, (_, layer) => [layer, `${layer + 1} of ${trace.numLayers}`]);
  fillSelect("layer", trace.numLayers > 1 ? [...layers, [trace.numLayers, "all, stacked"]] : layers);
  view = new TextView(byId("text"), trace, actions);
  byId("alive-text").classList.toggle("words", trace.isWords);
  strips = layers.map(([layer]) => new Strip(layer, actions));
  byId("strips").replaceChildren(...strips.map(({ row }) => row));
  fillReplacements(byId("replacements"), trace, actions);
  fillLimit(byId("limit"), trace, actions);
  state.layer = mostVaried(trace);
  readColours();
  openReading(0);
}

function showHeader(trace) {
  const [first] = trace.passages;
  const facts = [trace.task, trace.memory.replaceAll("_", " "), `span up to ${grouped(trace.max_span)}`];
  if (trace.ramp) facts.push(`ramp ${grouped(trace.ramp)}`);
  facts.push(`${grouped(first.length)} symbols`);
  if (first.bits_mean !== null) facts.push(`${rounded(first.bits_mean, 3)} bits a prediction`);
  byId("facts").textContent = facts.join(" · ");
}

// The layer to begin with: the one whose spans differ most.
function mostVaried(trace) {
  const spread = ({ span }) => {
    const logs = Float64Array.from(span, (one) => Math.log(1 + one));
    const mean = logs.reduce((sum, one) => sum + one, 0) / logs.length;
    return logs.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  };
  const spreads = trace.passages[0].layers.map(spread);
  return spreads.indexOf(Math.max(...spreads));
}

function fillSelect(id, options) {
  byId(id).replaceChildren(...options.map(([value, name]) => make("option", { value }, name)));
}

function openReading(index) {
  const { trace, passage: before } = state;
  const passage = trace.passages[index];
  if (passage === before) return;
  const step = before ? placeIn(trace, before, passage, state.step) : 0;
  Object.assign(state, { passage, pointed: null });
  const colourings = ["span", "attention", "bits"];
  if (index > 0) colourings.push("change");
  if (passage.difference) colourings.push("worse");
  if (!colourings.includes(state.colouring)) state.colouring = "span";
  fillSelect("colour", colourings.map((name) => [name, COLOURINGS[name]]));
  byId("passage").value = index;
  byId("passage-name").textContent = trace.passages.length > 1 ? `The passage: ${passage.name}` : "The passage";
  const isCut = passage.count < passage.length;
  byId("shown-part").textContent = isCut
    ? `the first ${grouped(passage.count)} of ${grouped(passage.length)} symbols; trace.npz has all`
    : "";
  byId("slider").max = passage.count - 1;
  view.open(passage);
  paint();
  goTo(step);
}

// Everything that does not change from symbol to symbol.
function paint() {
  const { trace, passage, layer, colouring } = state;
  byId("layer").value = layer;
  byId("colour").value = colouring;
  view.colour(layer, colouring);
  showLegend(view.scale, colouring);
  for (const strip of strips) strip.row.classList.toggle("selected", strip.number === oneLayer());
  fillLongest(byId("longest"), trace, passage, oneLayer(), actions);
  byId("text").setAttribute("aria-label", `The passage, coloured by ${COLOURINGS[colouring]}; arrow keys move in it`);
}

const oneLayer = () => Math.min(state.layer, state.trace.numLayers - 1);

function showLegend(scale, colouring) {
  const unit = { span: " symbols", attention: "", bits: " bits" }[colouring];
  byId("legend-low").textContent = scale.isSigned ? scale.low : amount(scale.low);
  byId("legend-high").textContent = scale.isSigned ? scale.high : `${amount(scale.high)}${unit}`;
  const names = scale.isSigned
    ? [15, 10, 5].map((k) => `shorter${k}`).concat(["surface"], [5, 10, 15].map((k) => `longer${k}`))
    : Array.from({ length: LEVELS }, (_, k) => `s${k}`);
  if (scale.isSigned < 0) names.reverse();
  byId("legend-bar").style.background = `linear-gradient(90deg, ${names.map((name) => `var(--${name})`).join(", ")})`;
}

function draw() {
  const { trace, passage, step, pointed } = state;
  view.mark("current", step);
  view.mark("pointed", pointed);
  for (const strip of strips) strip.draw(trace, passage, step, colours);
  const { alive } = strips[oneLayer()];
  byId("alive-facts").textContent = `what layer ${oneLayer() + 1} sees from symbol ${grouped(step)}`;
  fillRemembered(byId("alive-text"), trace, passage, alive);
  fillCard(byId("card"), trace, passage, pointed ?? step, oneLayer(), pointed !== null, actions);
  byId("clock").textContent = `${grouped(step)} / ${grouped(passage.count - 1)}`;
  byId("slider").value = step;
  byId("slider").setAttribute("aria-valuetext", `symbol ${step}: ${visible(passage.pieces[step])}`);
}

function goTo(step) {
  state.step = Math.max(0, Math.min(state.passage.count - 1, step));
  draw();
  view.scrollTo(state.step);
}

function setLayer(layer) {
  state.layer = layer;
  paint();
  draw();
}

function setColouring(colouring) {
  state.colouring = colouring;
  paint();
}

function move(id, by) {
  const options = [...byId(id).options];
  const next = options.findIndex(({ value }) => value === byId(id).value) + by;
  return options[Math.max(0, Math.min(options.length - 1, next))].value;
}

function onKey(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select")) return;
  const stride = event.shiftKey ? 10 : 1;
  const keys = {
    ArrowLeft: () => goTo(state.step - stride),
    ArrowRight: () => goTo(state.step + stride),
    ArrowUp: () => setLayer(Number(move("layer", 1))),
    ArrowDown: () => setLayer(Number(move("layer", -1))),
    Home: () => goTo(0),
    End: () => goTo(Infinity),
    c: () => {
      const names = [...byId("colour").options].map(({ value }) => value);
      setColouring(names[(names.indexOf(state.colouring) + 1) % names.length]);
    },
    "[": () => openReading(Number(move("passage", -1))),
    "]": () => openReading(Number(move("passage", 1))),
  };
  if (!keys[key]) return;
  event.preventDefault();
  state.pointed = null;
  keys[key]();
}

// The scales: from the theme's own colours, each with what is legible on it.
function readColours() {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const stopsOf = (names) => names.map((name) => style.getPropertyValue(`--${name}`).trim());
  const scales = {
    s: stopsOf(["heat-0", "heat-1", "heat-2", "heat-3"]),
    longer: stopsOf(["surface", "heat-1", "heat-2"]),
    shorter: stopsOf(["surface", "short-1", "now"]),
  };
  for (const [name, stops] of Object.entries(scales)) {
    for (let level = 0; level < LEVELS; level++) {
      const colour = mixed(stops, level / (LEVELS - 1));
      root.style.setProperty(`--${name}${level}`, `rgb(${colour.join(",")})`);
      root.style.setProperty(`--on-${name}${level}`, luminance(colour) > 0.2 ? "#101418" : "#ffffff");
      if (name === "s") colours.levels[level] = `rgb(${colour.join(",")})`;
    }
  }
  [colours.sunken, colours.now] = stopsOf(["sunken", "now"]);
}

function mixed(stops, share) {
  const parsed = stops.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const place = share * (parsed.length - 1);
  const low = Math.min(parsed.length - 2, Math.floor(place));
  return parsed[low].map((from, i) => Math.round(from + (parsed[low + 1][i] - from) * (place - low)));
}

function luminance(colour) {
  const [red, green, blue] = colour.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function setTheme(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  byId("theme").textContent = isDark ? "☀ Light" : "☾ Dark";
  readColours();
  if (state.passage) draw();
}

function listen() {
  byId("theme").addEventListener("click", () => {
    media.onchange = null; // the reader's choice stands
    setTheme(document.documentElement.dataset.theme !== "dark");
  });
  byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
  byId("passage").addEventListener("change", (event) => openReading(Number(event.target.value)));
  byId("layer").addEventListener("change", (event) => setLayer(Number(event.target.value)));
  byId("colour").addEventListener("change", (event) => setColouring(event.target.value));
  byId("alive-text").addEventListener("click", ({ target }) => target.dataset.i && goTo(Number(target.dataset.i)));
  document.addEventListener("keydown", onKey);
  media.onchange = (event) => setTheme(event.matches);
  new ResizeObserver(() => state.passage && draw()).observe(byId("strips"));
}

window.rlmemText = {
  get step() {
    return state.step;
  },
  get layer() {
    return state.layer;
  },
  get reading() {
    return state.passage.index;
  },
  goTo,
  setLayer,
  alive: (layer) => strips[layer].alive,
  level: (step) => Number(view.symbols[step].className.match(/\bs(\d+)\b/)?.[1] ?? -1),
};

try {
  setTheme(media.matches);
  open();
  listen();
} catch (error) {
  byId("failure").hidden = false;
  byId("failure").textContent = `This page cannot show its data: ${error.message}`;
  throw error;
}
