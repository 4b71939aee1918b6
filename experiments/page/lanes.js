// Which lane a memory's bar lies in: the longest kept on top in tall lanes with their labels, all others below in a
// dense band, sorted by how long they were kept. Bars of one lane never overlap in time.

const TALL_LANES = 10;
const TALL_HEIGHT = 17;
const BAND_GAP = 5;

function layOut(episode, layer, bandHeight) {
  const { ranked, kept } = layer;
  const outstanding = outstandingKept(episode, layer);
  const lanes = { lane: new Int32Array(layer.count).fill(-1), isTall: new Uint8Array(layer.count) };
  const tall = new Packing(episode.steps, TALL_LANES);
  const band = new Packing(episode.steps, Infinity);
  for (const slot of ranked) {
    const place = kept[slot] >= outstanding ? tall.place(layer.begin[slot], layer.end[slot]) : -1;
    lanes.isTall[slot] = place >= 0 ? 1 : 0;
    lanes.lane[slot] = place >= 0 ? place : band.place(layer.begin[slot], layer.end[slot]);
  }
  lanes.numTall = tall.rows.length;
  lanes.numBand = band.rows.length;
  lanes.bandTop = lanes.numTall * TALL_HEIGHT + (lanes.numTall ? BAND_GAP : 0);
  const height = Math.min(6, bandHeight / Math.max(1, lanes.numBand));
  lanes.bandLane = height >= 1 ? Math.floor(height) : height;
  lanes.height = Math.max(48, Math.ceil(lanes.bandTop + lanes.bandLane * lanes.numBand));
  return lanes;
}

// How long is long here: well above the median of those that were let go before the end (of all where none was), and
// long enough for a label.
function outstandingKept(episode, { ranked, kept, end }) {
  const letGo = ranked.filter((slot) => end[slot] < episode.steps - 1);
  const sample = letGo.length ? letGo : ranked;
  return Math.max(4, episode.steps / 10, sample.length ? 1.3 * kept[sample[sample.length >> 1]] : 0);
}

// First fit over lanes of taken steps.
class Packing {
  constructor(steps, limit) {
    this.steps = steps;
    this.limit = limit;
    this.rows = [];
  }

  place(begin, end) {
    let row = this.rows.findIndex((taken) => !taken[begin] && !taken[end] && isFree(taken, begin, end));
    if (row < 0) {
      if (this.rows.length >= this.limit) return -1;
      row = this.rows.push(new Uint8Array(this.steps)) - 1;
    }
    this.rows[row].fill(1, begin, end + 1);
    return row;
  }
}

function isFree(taken, begin, end) {
  for (let step = begin; step <= end; step++) if (taken[step]) return false;
  return true;
}

// Top and height of a slot's bar in CSS pixels; thin bars keep a line of background between them.
function barBox(lanes, slot) {
  if (lanes.isTall[slot]) return { top: lanes.lane[slot] * TALL_HEIGHT, height: TALL_HEIGHT - 3 };
  const top = lanes.bandTop + lanes.lane[slot] * lanes.bandLane;
  return { top, height: lanes.bandLane >= 2 ? lanes.bandLane - 1 : lanes.bandLane };
}
