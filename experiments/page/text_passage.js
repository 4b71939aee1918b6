// A reading of a passage: its arrays decoded, what is derived from them, and the scales of its colours. No page in here.

const LEVELS = 16;
const floatsOf = (text) => new Float32Array(decodeBytes(text).buffer);
const intsOf = (text) => new Int32Array(decodeBytes(text).buffer);
const grouped = (number) => Math.round(number).toLocaleString("en-US");
const amount = (number) =>
  number >= 100 ? grouped(number) : number < 0.005 && number > 0 ? "<0.01" : rounded(number, number >= 10 ? 1 : 2);

function openTrace(payload) {
  const trace = { ...payload, isWords: payload.joiner !== "" };
  trace.passages = payload.passages.map((raw, index) => openPassage(trace, raw, index));
  trace.numLayers = trace.passages[0].layers.length;
  trace.spanScales = Array.from({ length: trace.numLayers }, (_, layer) => spanScale(trace, [layer]));
  trace.spanScales.push(spanScale(trace, [...Array(trace.numLayers).keys()]));
  return trace;
}

function openPassage(trace, raw, index) {
  const passage = { ...raw, index, count: raw.pieces.length, isNextSymbol: trace.is_next_symbol };
  for (const name of ["word_of", "story_start", "target", "predicted"]) passage[name] = intsOf(raw[name]);
  passage.bits = floatsOf(raw.bits);
  passage.original = raw.original ? intsOf(raw.original) : null;
  passage.difference = raw.difference ? floatsOf(raw.difference) : null;
  passage.layers = raw.layers.map((layer) => ({
    ...layer,
    span: floatsOf(layer.span),
    attention: floatsOf(layer.attention),
    most: floatsOf(layer.most),
    expiry: intsOf(layer.expiry),
    seenUntil: intsOf(layer.seen_until),
    mostAt: intsOf(layer.most_at),
  }));
  for (const [number, layer] of passage.layers.entries()) {
    if (layer.span.length !== passage.count) {
      throw new Error(`layer ${number + 1} has ${layer.span.length} spans for ${passage.count} symbols`);
    }
  }
  return passage;
}

// What predicting a symbol cost (where targets are the symbols that follow), or what was to be answered after it.
function costOf(passage, values, step) {
  if (!passage.isNextSymbol) return values[step];
  return step > passage.story_start[step] ? values[step - 1] : NaN;
}

// The symbols that a step sees in a layer, its own left out.
function aliveAt(passage, layer, step) {
  const { seenUntil } = passage.layers[layer];
  const alive = [];
  for (let i = passage.story_start[step]; i < step; i++) if (seenUntil[i] >= step) alive.push(i);
  return alive;
}

// Logarithmic from the shortest to the longest span of all readings; near alike ones lie in the middle of it.
function spanScale(trace, layers) {
  let low = Infinity;
  let high = 1;
  for (const passage of trace.passages) {
    for (const layer of layers) {
      for (const span of passage.layers[layer].span) {
        low = Math.min(low, span);
        high = Math.max(high, span);
      }
    }
  }
  low = Math.max(1, low);
  const missing = Math.sqrt(Math.max(1, 1.5 / (high / low)));
  [low, high] = [low / missing, high * missing];
  const width = Math.log(high / low);
  return { low, high, level: (span) => levelOf(Math.log(Math.max(span, low) / low) / width) };
}

function attentionScale(passage, layers) {
  let high = 0;
  for (const layer of layers) for (const value of passage.layers[layer].attention) high = Math.max(high, value);
  const low = high / 1000;
  return { low, high, level: (value) => (high ? levelOf(Math.log(Math.max(value, low) / low) / Math.log(1000)) : 0) };
}

function bitsScale(passage) {
  let high = 0;
  for (const value of passage.bits) if (value > high) high = value;
  return { low: 0, high, level: (value) => (high ? levelOf(value / high) : 0) };
}

const levelOf = (share) => Math.max(0, Math.min(LEVELS - 1, Math.round(share * (LEVELS - 1))));

// A class of the style for a signed share in [-1, 1]: none in the middle.
function signedClass(share) {
  if (!Number.isFinite(share) || Math.abs(share) < 0.5 / LEVELS) return "";
  return `${share > 0 ? "longer" : "shorter"}${levelOf(Math.abs(share))}`;
}

function visible(text) {
  const shown = text.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
  return /^ +$/.test(shown) ? shown.replaceAll(" ", "·") : shown;
}

// The same place in another reading: through the symbols of the original that both have.
function placeIn(trace, from, to, step) {
  if (from === to) return step;
  let original = step;
  if (from.original) {
    while (original > 0 && from.original[original] < 0) original--;
    original = Math.max(0, from.original[original]);
  }
  if (!to.original) return Math.min(original, to.count - 1);
  const found = to.original.findIndex((place) => place >= original);
  return found < 0 ? to.count - 1 : found;
}
