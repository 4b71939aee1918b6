// One layer's picture: bars from birth to the last step that sees them, and the attention now by step of birth. Two
// bitmaps hold all bars, dim and lit; a step copies the dim one and, over it, the lit ones that are alive.

const STRIP_HEIGHT = 22;
const LABEL_HEIGHT = 17;
const NUM_STRIP_LABELS = 4;
const BAR_FONT = "11px system-ui, sans-serif";

class Timeline {
  constructor(canvas, strip, episode, layer) {
    Object.assign(this, { canvas, strip, episode, layer });
    this.lanes = layOut(episode, layer, 190);
    this.alive = [];
    this.boxes = new Int32Array(4 * layer.count); // device pixels: left, top, width with label, height
    this.ends = new Int32Array(layer.count); // device pixels: right end of the bar itself
    this.dim = document.createElement("canvas");
    this.lit = document.createElement("canvas");
  }

  // view: {from, to} in steps; isMarked(slot): drawn in the accent colour; colours: of the theme.
  prepare(width, view, colours, isMarked) {
    this.ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width, view, colours });
    for (const [canvas, height] of [
      [this.canvas, this.lanes.height],
      [this.strip, STRIP_HEIGHT + LABEL_HEIGHT],
    ]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
      canvas.style.height = `${height}px`;
    }
    this.measure();
    for (const [bitmap, isLit] of [
      [this.dim, false],
      [this.lit, true],
    ]) {
      bitmap.width = this.canvas.width;
      bitmap.height = this.canvas.height;
      this.paint(bitmap.getContext("2d"), isLit, isMarked);
    }
  }

  x(step) {
    return ((step - this.view.from) / (this.view.to - this.view.from)) * this.width;
  }

  stepAt(x) {
    const step = Math.floor(this.view.from + (x / this.width) * (this.view.to - this.view.from));
    return Math.max(0, Math.min(this.episode.steps - 1, step));
  }

  measure() {
    const { layer, lanes, ratio } = this;
    const context = this.canvas.getContext("2d");
    context.font = BAR_FONT;
    this.labels = new Map();
    const nextInLane = nextBegins(layer, lanes);
    for (const slot of layer.ranked) {
      const box = barBox(lanes, slot);
      const left = Math.round(this.x(layer.begin[slot]) * ratio);
      const gap = this.width / (this.view.to - this.view.from) >= 3 ? ratio : 0;
      const right = Math.max(
        left + Math.max(1, Math.floor(ratio)),
        Math.round(this.x(layer.end[slot] + 1) * ratio - gap),
      );
      const label = lanes.isTall[slot] ? this.fitLabel(context, slot, left / ratio, right / ratio, nextInLane) : null;
      if (label) this.labels.set(slot, label);
      this.ends[slot] = right;
      const extent = Math.max(right, label ? Math.ceil(label.right * ratio) : right);
      const height = Math.max(1, Math.round((box.top + box.height) * ratio) - Math.round(box.top * ratio));
      this.boxes.set([left, Math.round(box.top * ratio), extent - left, height], 4 * slot);
    }
  }

  // The label stands in its bar, else behind it where the lane is free, else it is cut, else it is left out.
  fitLabel(context, slot, left, right, nextInLane) {
    const start = Math.max(left, 0) + 5;
    if (right < 0 || left > this.width) return null;
    const text = slotName(this.episode, this.layer, slot);
    const needed = context.measureText(text).width;
    const free = Math.min(this.width, this.x(nextInLane.get(slot) ?? this.episode.steps)) - 4;
    if (start + needed + 4 <= right) return { text, x: start, right: start + needed, isInside: true };
    if (right + 4 + needed <= free) return { text, x: right + 4, right: right + 4 + needed, isInside: false };
    const letters = Math.floor((text.length * (right - start - 12)) / needed);
    if (letters < 3) return null;
    return { text: `${text.slice(0, letters)}…`, x: start, right, isInside: true };
  }

  paint(context, isLit, isMarked) {
    const { layer, colours, ratio } = this;
    for (const slot of [...layer.ranked].reverse()) {
      const [left, top, , height] = this.boxes.subarray(4 * slot, 4 * slot + 4);
      const right = this.ends[slot];
      if (right < 0 || left > context.canvas.width) continue;
      const colour = isMarked(slot) ? colours.marked : colours.plain;
      context.globalAlpha = isLit ? 1 : isMarked(slot) ? 0.34 : 0.3;
      this.paintBar(context, slot, [left, top, right - left, height], colour);
      context.globalAlpha = 1;
      if (layer.covers[slot] > 1 && height >= 3) paintHatch(context, left, top, right - left, height, colours.surface);
      if (height >= 4 * ratio) this.paintDeletion(context, slot, top, height, isLit);
      const label = this.labels.get(slot);
      if (!label) continue;
      context.font = BAR_FONT.replace("11px", `${11 * ratio}px`);
      context.textBaseline = "middle";
      const onBar = isMarked(slot) ? colours.onMarked : colours.onPlain;
      context.fillStyle = isLit && label.isInside ? onBar : isLit || label.isInside ? colours.text : colours.muted;
      context.fillText(label.text, label.x * ratio, top + height / 2 + ratio / 2);
    }
  }

  // Full height and colour while fully seen; over the ramp it fades, and a tall bar tapers too.
  paintBar(context, slot, [left, top, width, height], colour) {
    const { layer, ratio } = this;
    const full = Math.round(this.x(Math.max(layer.fullUntil[slot], layer.begin[slot]) + 1) * ratio);
    const solid = Math.max(1, Math.min(width, full - left));
    context.fillStyle = colour;
    context.fillRect(left, top, solid, height);
    if (width <= solid) return;
    const gradient = context.createLinearGradient(left + solid, 0, left + width, 0);
    gradient.addColorStop(0, colour);
    gradient.addColorStop(1, withAlpha(colour, 0.25));
    context.fillStyle = gradient;
    const narrow = this.lanes.isTall[slot] ? 0.38 * height : 0;
    context.beginPath();
    context.moveTo(left + solid, top);
    context.lineTo(left + width, top + narrow);
    context.lineTo(left + width, top + height - narrow);
    context.lineTo(left + solid, top + height);
    context.fill();
  }

  paintDeletion(context, slot, top, height, isLit) {
    const { layer, colours, ratio } = this;
    if (layer.deleted[slot] < 0) return;
    const x = Math.min(Math.round(this.x(layer.deleted[slot]) * ratio), this.ends[slot] + 2 * ratio);
    context.fillStyle = isLit ? colours.text : colours.muted;
    context.fillRect(x - ratio, top, ratio, height);
  }

  draw(step, selected, hovered) {
    const context = this.canvas.getContext("2d");
    const { layer, boxes, ratio, colours } = this;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.dim, 0, 0);
    this.alive.length = 0;
    for (let slot = 0; slot < layer.count; slot++) {
      if (!isAlive(layer, slot, step)) continue;
      this.alive.push(slot);
      const at = 4 * slot;
      const left = Math.max(0, boxes[at]);
      const width = Math.min(this.canvas.width, boxes[at] + boxes[at + 2]) - left;
      const top = boxes[at + 1];
      const height = boxes[at + 3];
      if (width > 0) context.drawImage(this.lit, left, top, width, height, left, top, width, height);
    }
    const now = Math.round(this.x(step + 0.5) * ratio);
    context.fillStyle = colours.now;
    context.fillRect(now - Math.round(ratio), 0, Math.round(2 * ratio), this.canvas.height);
    this.outline(context, hovered, [3, 2]);
    this.outline(context, selected, []);
    this.drawStrip(step, selected);
  }

  outline(context, slot, dash) {
    if (slot === null || slot < 0 || slot >= this.layer.count || this.lanes.lane[slot] < 0) return;
    const { ratio, colours } = this;
    const [left, top, , height] = this.boxes.subarray(4 * slot, 4 * slot + 4);
    const around = 2 * ratio;
    context.setLineDash(dash.map((length) => length * ratio));
    context.lineWidth = 2 * ratio;
    context.strokeStyle = colours.selected;
    context.strokeRect(left - ratio, Math.max(ratio, top - ratio), this.ends[slot] - left + around, height + around);
    context.setLineDash([]);
  }

  // Attention of the current step by the birth of what it goes to; of slots that share a pixel the largest is shown.
  drawStrip(step, selected) {
    const context = this.strip.getContext("2d");
    const { layer, ratio, colours } = this;
    const height = Math.round(STRIP_HEIGHT * ratio);
    context.clearRect(0, 0, this.strip.width, this.strip.height);
    context.fillStyle = colours.heat[0];
    context.fillRect(0, 0, this.strip.width, height);
    const wide = Math.max(Math.ceil(2 * ratio), Math.floor(this.strip.width / (this.view.to - this.view.from)));
    const order = strongestLast(layer, step);
    for (const slot of order) {
      context.fillStyle = colours.heat[layer.attention[step * layer.count + slot]];
      context.fillRect(Math.round(this.x(layer.birth[slot]) * ratio), 0, wide, height);
    }
    context.fillStyle = colours.now;
    context.fillRect(Math.round(this.x(step + 0.5) * ratio) - Math.round(ratio), 0, Math.round(2 * ratio), height);
    this.labelStrip(context, step, selected);
  }

  labelStrip(context, step, selected) {
    const { layer, ratio, colours } = this;
    const taken = [];
    context.font = BAR_FONT.replace("11px", `${11 * ratio}px`);
    context.textBaseline = "alphabetic";
    for (const { slot, value } of strongest(layer, step, NUM_STRIP_LABELS)) {
      const middle = this.x(layer.birth[slot] + 0.5) * ratio;
      if (middle < 0 || middle > this.strip.width) continue;
      const name = layer.birth[slot] === step ? "this step" : slotName(this.episode, layer, slot);
      const text = `${percent(value / 255)} ${name}`;
      const width = context.measureText(text).width;
      const left = Math.max(1, Math.min(this.strip.width - width - 1, middle - width / 2));
      if (taken.some(([from, to]) => left < to + 8 * ratio && left + width > from - 8 * ratio)) continue;
      taken.push([left, left + width]);
      context.fillStyle = slot === selected ? colours.selectedText : colours.text;
      context.fillRect(Math.round(middle), STRIP_HEIGHT * ratio, Math.max(1, Math.round(ratio)), 4 * ratio);
      context.fillText(text, left, (STRIP_HEIGHT + LABEL_HEIGHT - 3) * ratio);
    }
  }

  // The bar at a point in CSS pixels, else the nearest within 4 pixels; the living before the dead.
  slotAt(x, y, current) {
    const { layer, boxes, ends, ratio } = this;
    let found = null;
    let nearest = Infinity;
    for (const slot of layer.ranked) {
      const left = boxes[4 * slot] / ratio;
      const right = ends[slot] / ratio;
      if (x < left - 2 || x > right + 2) continue;
      const top = boxes[4 * slot + 1] / ratio;
      const bottom = top + boxes[4 * slot + 3] / ratio;
      const away = Math.max(0, top - y, y - bottom) + Math.max(0, left - x, x - right);
      const distance = away + (isAlive(layer, slot, current) ? 0 : 0.5);
      if (away < 4 && distance < nearest) [found, nearest] = [slot, distance];
    }
    return found;
  }
}

function nextBegins(layer, lanes) {
  const rows = new Map();
  for (const slot of layer.ranked) {
    if (!lanes.isTall[slot]) continue;
    rows.set(lanes.lane[slot], [...(rows.get(lanes.lane[slot]) ?? []), slot]);
  }
  const next = new Map();
  for (const row of rows.values()) {
    row.sort((a, b) => layer.begin[a] - layer.begin[b]);
    row.forEach((slot, place) => place + 1 < row.length && next.set(slot, layer.begin[row[place + 1]]));
  }
  return next;
}

function strongestLast(layer, step) {
  const order = [];
  for (let slot = 0, at = step * layer.count; slot < layer.count; slot++, at++) {
    if (layer.attention[at]) order.push(slot);
  }
  const base = step * layer.count;
  return order.sort((a, b) => layer.attention[base + a] - layer.attention[base + b]);
}

function paintHatch(context, left, top, width, height, colour) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  for (let x = left - height; x < left + width; x += 6) {
    context.beginPath();
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
    context.stroke();
  }
  context.restore();
}

function withAlpha(hex, alpha) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

// 256 colours from the strip's ground to its strongest; by the square root, so that one per cent is seen.
function heatScale(stops) {
  const parsed = stops.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, value) => {
    const place = Math.sqrt(value / 255) * (parsed.length - 1);
    const low = Math.min(parsed.length - 2, Math.floor(place));
    const mix = parsed[low].map((from, i) => Math.round(from + (parsed[low + 1][i] - from) * (place - low)));
    return `rgb(${mix.join(",")})`;
  });
}
