// Keys, pointers, play and pause, the theme; and the start of the page.

const media = matchMedia("(prefers-color-scheme: dark)");
let lastTick = 0;
let owed = 0; // steps that playing has not shown yet, a fraction

function play() {
  if (state.step >= state.episode.steps - 1) goTo(0);
  state.playing = true;
  owed = 0;
  lastTick = performance.now();
  showPlaying();
  requestAnimationFrame(tick);
}

function stop() {
  state.playing = false;
  showPlaying();
}

function showPlaying() {
  byId("play").classList.toggle("is-playing", state.playing);
  byId("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
}

function tick(time) {
  if (!state.playing) return;
  owed += (Math.max(0, Math.min(250, time - lastTick)) / 1000) * Number(byId("speed").value);
  lastTick = time;
  if (owed >= 1) {
    goTo(state.step + Math.floor(owed));
    owed %= 1;
  }
  if (state.step >= state.episode.steps - 1) stop();
  else requestAnimationFrame(tick);
}

const toggle = () => (state.playing ? stop() : play());
const move = (steps) => {
  stop();
  goTo(state.step + steps);
};

function onKey(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || !state.episode) return;
  if (target.matches("input[type=text], select")) return;
  if (key === " " && target.matches("button")) return; // it presses the button
  const bars = parts.timelines.find((timeline) => timeline.canvas === target);
  const stride = event.shiftKey ? 10 : 1;
  const actions = {
    " ": toggle,
    ArrowLeft: () => move(-stride),
    ArrowRight: () => move(stride),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
    "+": () => zoom(2),
    "=": () => zoom(2),
    "-": () => zoom(0.5),
    0: () => zoom(0),
    Escape: () => select(null),
    ...(bars && { ArrowUp: () => walk(bars, -1), ArrowDown: () => walk(bars, 1), Enter: () => pinHovered() }),
  };
  if (!actions[key]) return;
  event.preventDefault();
  actions[key]();
}

// From one memory alive now to the next, the longest kept first.
function walk(timeline, direction) {
  const { layer } = timeline;
  const alive = layer.ranked.filter((slot) => isAlive(layer, slot, state.step));
  if (!alive.length) return;
  const from = state.hovered ?? state.selected;
  const place = from ? alive.indexOf(from.slot) : -1;
  const next = place < 0 ? (direction > 0 ? 0 : alive.length - 1) : (place + direction + alive.length) % alive.length;
  state.hovered = { layer: layer.index, slot: alive[next] };
  draw();
}

function pinHovered() {
  if (state.hovered) select(state.hovered);
}

function listenToBars(timeline, canvas) {
  const { layer } = timeline;
  const pointed = ({ offsetX, offsetY }) => timeline.slotAt(offsetX, offsetY, state.step);
  const leave = () => {
    if (!state.hovered) return;
    state.hovered = null;
    draw();
  };
  canvas.addEventListener("pointermove", (event) => {
    const slot = pointed(event);
    if (slot === null) return leave();
    if (state.hovered?.slot === slot && state.hovered.layer === layer.index) return undefined;
    state.hovered = { layer: layer.index, slot };
    return draw();
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("click", (event) => {
    const slot = pointed(event);
    if (slot === null) goTo(timeline.stepAt(event.offsetX));
    else select({ layer: layer.index, slot });
  });
  canvas.addEventListener("wheel", onWheel(timeline), { passive: false });
}

// The strip's bars stand at the step of birth: pointing at one shows that memory.
function listenToStrip(timeline, strip) {
  const at = ({ offsetX }) => {
    const step = timeline.stepAt(offsetX);
    const { layer } = timeline;
    let best = null;
    for (let slot = 0; slot < layer.count; slot++) {
      const isNear = Math.abs(layer.birth[slot] - step) <= 1;
      if (isNear && (best === null || attentionAt(layer, slot, state.step) > attentionAt(layer, best, state.step)))
        best = slot;
    }
    return best === null ? null : { layer: layer.index, slot: best };
  };
  strip.addEventListener("pointermove", (event) => {
    state.hovered = at(event);
    draw();
  });
  strip.addEventListener("pointerleave", () => {
    state.hovered = null;
    draw();
  });
  strip.addEventListener("click", (event) => select(at(event)));
}

// With control: zoom about the pointer; sideways or with shift: along the episode.
function onWheel(timeline) {
  return (event) => {
    const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
    if (event.ctrlKey) {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, timeline.stepAt(event.offsetX));
    } else if (sideways && !byId("scroller").hidden) {
      event.preventDefault();
      byId("scroller").scrollLeft += sideways;
    }
  };
}

function listenToScroller() {
  const scroller = byId("scroller");
  scroller.addEventListener("scroll", () => {
    const { from, to } = state.view;
    const begin = (scroller.scrollLeft / scroller.scrollWidth) * state.episode.steps;
    const pixel = state.episode.steps / scroller.scrollWidth;
    if (Math.abs(begin - from) <= pixel) return; // the page itself moved it there
    state.view = { from: begin, to: begin + to - from };
    prepare();
    draw();
  });
}

function listenToOverview() {
  const canvas = byId("overview");
  const scrub = (event) => {
    stop();
    goTo(parts.overview.stepAt(event.offsetX));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    scrub(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && scrub(event));
}

function setTheme(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  byId("theme").textContent = isDark ? "☀ Light" : "☾ Dark";
  if (!parts) return;
  prepare();
  draw();
}

function listen() {
  const clicks = {
    first: () => move(-Infinity),
    back: () => move(-1),
    play: toggle,
    forward: () => move(1),
    last: () => move(Infinity),
    "zoom-in": () => zoom(2),
    "zoom-out": () => zoom(0.5),
    "zoom-fit": () => zoom(0),
    theme: () => {
      media.onchange = null; // the reader's choice stands
      setTheme(document.documentElement.dataset.theme !== "dark");
    },
  };
  for (const [id, action] of Object.entries(clicks)) {
    byId(id).addEventListener("click", action);
    byId(id).addEventListener("mousedown", (event) => event.preventDefault()); // so that space goes on playing
  }
  byId("slider").addEventListener("input", (event) => {
    stop();
    goTo(Number(event.target.value));
  });
  byId("mark").addEventListener("input", (event) => {
    state.mark = event.target.value.trim();
    prepare();
    draw();
  });
  byId("episode")?.addEventListener("change", (event) => openPayload(Number(event.target.value)));
  document.addEventListener("keydown", onKey);
  media.onchange = (event) => setTheme(event.matches);
  listenToScroller();
  listenToOverview();
  new ResizeObserver(() => {
    if (!parts || byId("overview").clientWidth === parts.overview.width) return;
    prepare();
    draw();
  }).observe(byId("overview"));
}

try {
  setTheme(media.matches);
  openPayload(0);
  listen();
} catch (error) {
  byId("failure").hidden = false;
  byId("failure").textContent = `This page cannot show its data: ${error.message}`;
  throw error;
}
