// The page: which episode, which step, which memory; all else is drawn from these. Keys and pointers change them.

const tags = [...document.querySelectorAll("script.payload")];
const state = { episode: null, step: 0, selected: null, hovered: null, view: null, playing: false, mark: "" };
let parts = null; // the drawn things of the episode
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["surface", "sunken", "text", "muted", "marked", "plain", "now", "selected", "good", "bad"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  colours.onMarked = style.getPropertyValue("--on-marked").trim();
  colours.onPlain = style.getPropertyValue("--on-plain").trim();
  colours.selectedText = style.getPropertyValue("--selected-text").trim();
  colours.heat = heatScale([0, 1, 2, 3].map((stop) => style.getPropertyValue(`--heat-${stop}`).trim()));
}

function openPayload(index) {
  stop();
  const episode = openEpisode(JSON.parse(tags[index].textContent));
  Object.assign(state, { episode, step: 0, selected: null, hovered: null, view: { from: 0, to: episode.steps } });
  document.title = byId("title").textContent = episode.title;
  showHeader(episode);
  byId("slider").max = episode.steps - 1;
  byId("labels").replaceChildren(...episode.words.map((word) => make("option", { value: word })));
  byId("legend-pooled").hidden = !episode.layers.some((layer) => layer.covers.some((steps) => steps > 1));
  const actions = { release: () => select(null), goTo, colours: () => colours };
  parts = {
    now: new StepPanel(byId("now"), episode),
    overview: new Overview(byId("overview"), episode),
    card: new MemoryCard(byId("card"), episode, actions),
    timelines: episode.layers.map((layer) => makeTimeline(episode, layer)),
  };
  const none = make("p", { class: "note" }, "This memory is one state: it has no single memories to show.");
  byId("layers").replaceChildren(...(episode.layers.length ? parts.timelines.map(({ section }) => section) : [none]));
  fillLongest(byId("longest"), episode, pinAndGo);
  fillErasures(byId("erasures"), episode, pinAndGo);
  prepare();
  goTo(0);
}

function showHeader(episode) {
  const signs = { success: "✓ success", failure: "✗ failure", truncated: "⋯ truncated" };
  const badge = byId("outcome");
  badge.hidden = !episode.outcome;
  badge.className = `badge ${episode.outcome ?? ""}`;
  badge.textContent = signs[episode.outcome] ?? episode.outcome ?? "";
  const facts = [`return ${rounded(episode.return)}`, plural(episode.steps, "step"), episode.task];
  facts.push(episode.memory.replaceAll("_", " ") + (episode.layers.length ? `, span up to ${episode.max_span}` : ""));
  if (episode.ramp) facts.push(`ramp ${episode.ramp}`);
  byId("facts").textContent = facts.join(" · ");
}

function makeTimeline(episode, layer) {
  const bars = make("canvas", { class: "bars", tabIndex: 0, role: "img" });
  const strip = make("canvas", {
    class: "strip",
    role: "img",
    "aria-label": `layer ${layer.index + 1}: attention now`,
  });
  const timeline = new Timeline(bars, strip, episode, layer);
  timeline.counts = make("strong", {});
  const facts = make("span", { class: "facts" }, timeline.counts, ` · ${describeKept(episode, layer)}`);
  timeline.section = make(
    "section",
    { class: "layer", "aria-label": `Layer ${layer.index + 1}` },
    make("div", { class: "heading" }, make("h2", {}, `Layer ${layer.index + 1}`), facts),
    bars,
    strip,
  );
  listenToBars(timeline, bars);
  listenToStrip(timeline, strip);
  return timeline;
}

// Everything that does not change from step to step; after a change of size, zoom, theme or mark.
function prepare() {
  if (!parts) return;
  readColours();
  const { episode, mark } = state;
  const width = byId("overview").clientWidth;
  byId("legend-marked").textContent = mark || "notable";
  parts.overview.prepare(width, state.view, colours);
  for (const timeline of parts.timelines) {
    const { layer } = timeline;
    const isMarked = (slot) =>
      mark ? episode.labels[layer.birth[slot]].includes(mark) : episode.isNotable(layer.birth[slot]);
    timeline.prepare(width, state.view, colours, isMarked);
  }
}

function draw() {
  const begun = performance.now();
  const { episode, step, selected, hovered } = state;
  const inLayer = (memory, index) => (memory && (memory.layer === null || memory.layer === index) ? memory.slot : null);
  for (const timeline of parts.timelines) {
    timeline.draw(step, inLayer(selected, timeline.layer.index), inLayer(hovered, timeline.layer.index));
    const { index, count } = timeline.layer;
    timeline.counts.textContent = `${timeline.alive.length} alive of ${count}`;
    timeline.canvas.setAttribute(
      "aria-label",
      `layer ${index + 1}: ${timeline.alive.length} of ${count} memories alive at step ${step}; ↑ and ↓ choose one`,
    );
  }
  parts.overview.draw(step);
  parts.now.show(step);
  const [memory, why] = cardMemory();
  parts.card.show(memory, why, step);
  byId("clock").textContent = `${step} / ${episode.steps - 1}`;
  const slider = byId("slider");
  slider.value = step;
  slider.setAttribute(
    "aria-valuetext",
    `step ${step}: ${describeLabel(episode, step)}, action ${episode.action[step]}`,
  );
  window.rlmemTrace.lastDrawMilliseconds = performance.now() - begun;
}

// The card shows what is pointed at, else what is pinned, else the past memory most attended to.
function cardMemory() {
  const { hovered, selected, step, episode } = state;
  if (hovered) return [hovered, "pointed"];
  if (selected) return [{ layer: selected.layer ?? 0, slot: selected.slot }, "pinned"];
  let best = null;
  for (const layer of episode.layers) {
    const found = strongest(layer, step, 2).find(({ slot }) => layer.birth[slot] !== step);
    if (found && (!best || found.value > best.value)) best = { layer: layer.index, ...found };
  }
  return [best, "strongest"];
}

function goTo(step) {
  const { episode, view } = state;
  state.step = Math.max(0, Math.min(episode.steps - 1, Math.round(step)));
  const shown = view.to - view.from;
  if (shown < episode.steps && (state.step < view.from + 0.05 * shown || state.step > view.to - 0.05 * shown)) {
    setView(state.step - shown / 2, shown);
  }
  draw();
}

function select(memory) {
  state.selected = memory;
  state.hovered = null;
  const names = memory ? [`${memory.layer ?? "all"}/${memory.slot}`] : [];
  if (memory && memory.layer === null)
    names.push(...parts.timelines.map(({ layer }) => `${layer.index}/${memory.slot}`));
  for (const row of document.querySelectorAll("[data-memory]")) {
    row.classList.toggle("selected", names.includes(row.dataset.memory));
  }
  draw();
}

function pinAndGo(layer, slot, step) {
  goTo(step);
  select({ layer, slot });
  parts.timelines[layer ?? 0].section.scrollIntoView({ block: "nearest" });
}

function setView(from, shown) {
  const { steps } = state.episode;
  const size = Math.min(steps, Math.max(Math.min(10, steps), shown));
  const begin = Math.max(0, Math.min(steps - size, from));
  state.view = { from: begin, to: begin + size };
  const scroller = byId("scroller");
  scroller.hidden = size >= steps;
  scroller.firstElementChild.style.width = `${(100 * steps) / size}%`;
  scroller.scrollLeft = (begin / steps) * scroller.scrollWidth;
  prepare();
}

function zoom(factor, around = state.step) {
  const { from, to } = state.view;
  const shown = Math.min(state.episode.steps, (to - from) / factor);
  const place = Math.max(0, Math.min(1, (around - from) / (to - from)));
  setView(around - place * shown, shown);
  draw();
}

window.rlmemTrace = {
  lastDrawMilliseconds: 0,
  get step() {
    return state.step;
  },
  goTo,
  alive: (layer) => [...parts.timelines[layer].alive],
};
