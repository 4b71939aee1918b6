// One memory in full (the card), the longest-kept memories of each layer, and the table of erasures.

class MemoryCard {
  constructor(host, episode, actions) {
    Object.assign(this, { host, episode, actions, shown: null });
  }

  // memory: {layer, slot} or null; why: "pinned" | "pointed" | "strongest"
  show(memory, why, step) {
    const name = memory ? `${memory.layer}/${memory.slot}/${why}` : "none";
    if (name !== this.shown) {
      this.shown = name;
      if (memory) this.build(memory, why);
      else
        this.host.replaceChildren(
          make("h2", {}, "Memory"),
          make(
            "p",
            { class: "note" },
            this.episode.layers.length ? "Point at a bar to see what was remembered." : "None to show.",
          ),
        );
    }
    if (memory) this.update(memory, step);
  }

  build({ layer: index, slot }, why) {
    const { episode } = this;
    const layer = episode.layers[index];
    const birth = layer.birth[slot];
    const heading = { pinned: "Pinned memory", pointed: "Memory", strongest: "Most attended now" }[why];
    const release = make("button", { type: "button", id: "release", onclick: () => this.actions.release() }, "Let go");
    const pictures = [episode.frames, episode.views]
      .filter(Boolean)
      .map((source, i) =>
        make("img", { alt: i ? "its view" : "its frame", src: pictureOf(source, birth), decoding: "sync" }),
      );
    const cells = episode.cells ? make("div", { class: "cells", role: "img" }) : null;
    if (cells) fillCells(cells, episode, birth);
    this.now = make("dd", { id: "card-attention" });
    this.spark = make("canvas", { id: "card-spark", height: 40, "aria-hidden": "true" });
    this.host.replaceChildren(
      ...[
        make("div", { class: "heading" }, make("h2", {}, heading), why === "pinned" ? release : null),
        make(
          "div",
          { "aria-live": why === "strongest" ? "off" : "polite" },
          make(
            "p",
            { class: `label${episode.isNotable(birth) ? "" : " none"}`, id: "card-label" },
            describeLabel(episode, birth),
          ),
          make("p", { class: "note" }, memoryOrigin(layer, slot)),
        ),
        pictures.length ? make("div", { class: "pictures" }, ...pictures) : null,
        cells,
        this.facts(layer, slot),
        make("div", {}, make("p", { class: "caption" }, "Attention over the episode"), this.spark),
      ].filter(Boolean),
    );
  }

  facts(layer, slot) {
    const { episode } = this;
    const lines = [["made", `step ${layer.birth[slot]}`]];
    if (layer.span) {
      lines.push(["span", `${rounded(layer.span[slot], 1)} steps`]);
      const expiry = Math.ceil(layer.birth[slot] + layer.span[slot] + episode.ramp);
      lines.push(["expires", `step ${expiry}${expiry >= episode.steps ? ", past end" : ""}`]);
    }
    lines.push(["full until", `step ${layer.fullUntil[slot]}`], ["seen until", seenUntil(episode, layer, slot)]);
    lines.push(["deleted", layer.deleted[slot] < 0 ? "never" : `at step ${layer.deleted[slot]}`]);
    const at = layer.mostAttentionAt[slot];
    const jump = make("button", { type: "button", class: "link", onclick: () => this.actions.goTo(at) }, `step ${at}`);
    return make(
      "dl",
      { class: "numbers" },
      ...lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
      make("dt", {}, "attention now"),
      this.now,
      make("dt", {}, "largest"),
      make("dd", { id: "card-largest" }, percent(layer.mostAttention[slot] / 255), " at ", jump),
    );
  }

  update({ layer: index, slot }, step) {
    const layer = this.episode.layers[index];
    const alive = isAlive(layer, slot, step);
    this.now.textContent = alive
      ? percent(attentionAt(layer, slot, step))
      : step < layer.begin[slot]
        ? "not yet made"
        : "gone";
    this.drawSpark(layer, slot, step);
  }

  // The soft mask as an area behind, the attention as bars, each at its largest within a pixel.
  drawSpark(layer, slot, step) {
    const ratio = window.devicePixelRatio || 1;
    const { spark, episode } = this;
    const colours = this.actions.colours();
    const width = (spark.width = Math.round((spark.clientWidth || 220) * ratio));
    const height = (spark.height = 40 * ratio);
    const context = spark.getContext("2d");
    const largest = Math.max(1, layer.mostAttention[slot]);
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x / width) * episode.steps);
      const to = Math.max(from + 1, Math.floor(((x + 1) / width) * episode.steps));
      let mask = 0;
      let attention = 0;
      for (let at = from; at < to; at++) {
        mask = Math.max(mask, layer.mask[at * layer.count + slot]);
        if (at !== layer.birth[slot]) attention = Math.max(attention, layer.attention[at * layer.count + slot]);
      }
      context.fillStyle = colours.sunken;
      context.fillRect(x, height * (1 - mask / 255), 1, (height * mask) / 255);
      const tall = Math.min(1, attention / largest) * (height - 2);
      context.fillStyle = colours.marked;
      if (attention) context.fillRect(x, height - Math.max(1, tall), Math.ceil(ratio), Math.max(1, tall));
    }
    context.fillStyle = colours.now;
    context.fillRect(Math.round(((step + 0.5) / episode.steps) * width) - ratio, 0, 2 * ratio, 9 * ratio);
  }
}

function memoryOrigin(layer, slot) {
  const covers = layer.covers[slot];
  const made =
    covers > 1 ? `${covers} steps pooled, from step ${layer.birth[slot]}` : `made at step ${layer.birth[slot]}`;
  return `layer ${layer.index + 1}, ${made}, kept ${plural(layer.kept[slot], "step")}`;
}

function attentionText(layer, slot) {
  const largest = layer.mostAttention[slot];
  const at = layer.mostAttentionAt[slot];
  const most = largest ? `${percent(largest / 255)} of attention at step ${at}` : "never attended to";
  return `from step ${layer.birth[slot]}, ${most}`;
}

function seenUntil(episode, layer, slot) {
  return layer.end[slot] >= episode.steps - 1 ? "the end" : `step ${layer.end[slot]}`;
}

// The longest-kept memories of each layer, longest first, as buttons that pin them.
function fillLongest(host, episode, pin, number = 6) {
  host.hidden = !episode.layers.length;
  const lists = episode.layers.map((layer) => {
    const longest = layer.kept[layer.ranked[0]] || 1;
    const rows = layer.ranked.slice(0, number).map((slot) => {
      const toTheEnd = layer.end[slot] >= episode.steps - 1 ? ", to the end" : "";
      const button = make(
        "button",
        {
          type: "button",
          class: episode.isNotable(layer.birth[slot]) ? "row" : "row other",
          onclick: () => pin(layer.index, slot, layer.mostAttentionAt[slot]),
        },
        make("b", {}, slotName(episode, layer, slot)),
        ` · kept ${plural(layer.kept[slot], "step")}${toTheEnd}`,
        make("small", {}, attentionText(layer, slot)),
        make("i", { style: { width: `${(100 * layer.kept[slot]) / longest}%` } }),
      );
      button.dataset.memory = `${layer.index}/${slot}`;
      return make("li", {}, button);
    });
    return make("div", {}, make("h3", {}, `Layer ${layer.index + 1}`), make("ol", {}, ...rows));
  });
  host.replaceChildren(make("h2", {}, "Kept longest"), ...lists);
}

// "Did it matter?": what each erasure changed, largest effect first.
function fillErasures(host, episode, pin) {
  host.hidden = episode.erasures.length === 0;
  if (host.hidden) return;
  const largest = Math.max(1e-9, ...episode.erasures.map((erasure) => erasure.effect));
  const rows = episode.erasures.map((erasure) => erasureRow(episode, erasure, largest, pin));
  const titles = ["Memory erased", "Where", "Effect (nats)", "Felt at", "Value", "Action probabilities"];
  const keys = make(
    "span",
    { class: "keys" },
    make("span", {}, make("i", { class: "before" }), "before"),
    make("span", {}, make("i", { class: "after" }), "after"),
  );
  host.replaceChildren(
    make("div", { class: "heading" }, make("h2", {}, "Did it matter?"), make("span", { class: "spring" }), keys),
    make(
      "p",
      { class: "note" },
      "Each memory erased by itself; effect: the largest later change (KL divergence) of the action probabilities.",
    ),
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)))),
      make("tbody", {}, ...rows),
    ),
  );
}

function erasureRow(episode, erasure, largest, pin) {
  const choose = () => pin(erasure.layer, erasure.slot, erasure.at);
  const label = erasure.label === "-" ? `step ${erasure.step}` : erasure.label;
  const name = erasure.word ? `“${erasure.word}” of ${label}` : label;
  const where = `${erasure.layer === null ? "all layers" : `layer ${erasure.layer + 1}`}, step ${erasure.step}`;
  const row = make(
    "tr",
    { class: "link-row" },
    make("td", {}, make("button", { type: "button", class: "link" }, name)),
    make("td", {}, where),
    make(
      "td",
      {},
      make(
        "div",
        { class: "effect" },
        make("span", {}, rounded(erasure.effect)),
        make("i", { style: { width: `${(100 * erasure.effect) / largest}%` } }),
      ),
    ),
    make("td", {}, `step ${erasure.at}`),
    make("td", { class: "number" }, (erasure.value_change > 0 ? "+" : "") + rounded(erasure.value_change)),
    make("td", {}, probabilityPairs(episode.actions, erasure)),
  );
  row.onclick = choose; // the button's clicks and its enter key arrive here too
  row.dataset.memory = `${erasure.layer ?? "all"}/${erasure.slot}`;
  row.dataset.at = erasure.at;
  return row;
}

// Two bars an action; of many actions the four that changed most.
function probabilityPairs(actions, { probabilities_before: before, probabilities_after: after }) {
  if (!before || !after) return make("span", { class: "note" }, "not discrete");
  let shown = [...before.keys()];
  if (shown.length > 6) {
    shown.sort((a, b) => Math.abs(after[b] - before[b]) - Math.abs(after[a] - before[a]));
    shown = shown.slice(0, 4).sort((a, b) => a - b);
  }
  const pairs = shown.map((action) => {
    const name = actions ? actions[action] : String(action);
    const text = `${name}: ${percent(before[action])} before, ${percent(after[action])} after`;
    return make(
      "span",
      { title: text, "aria-label": text, role: "img" },
      make(
        "span",
        { class: "two" },
        make("i", { class: "before", style: { height: `${100 * before[action]}%` } }),
        make("i", { class: "after", style: { height: `${100 * after[action]}%` } }),
      ),
      name,
    );
  });
  return make("div", { class: "pairs" }, ...pairs);
}
