// An episode: the payload (format 1) with its matrices decoded, and what the page derives from them. No page in here.

function openEpisode(payload) {
  const episode = { ...payload, steps: payload.num_steps };
  episode.isNotable = (step) => payload.labels[step] !== "-";
  episode.layers = payload.layers.map((raw, index) => openLayer(episode, raw, index));
  episode.words = countWords(payload.labels);
  return episode;
}

function openLayer(episode, raw, index) {
  const count = raw.birth.length;
  const layer = {
    index,
    count,
    birth: Int32Array.from(raw.birth),
    covers: Int32Array.from(raw.covers),
    span: raw.span ? Float64Array.from(raw.span) : null,
    fullUntil: Int32Array.from(raw.full_until),
    seenUntil: Int32Array.from(raw.seen_until),
    deleted: Int32Array.from(raw.deleted),
    attention: decodeBytes(raw.attention),
    mask: decodeBytes(raw.mask),
    begin: new Int32Array(count), // first and last step at which the slot can be attended to
    end: new Int32Array(count),
    kept: new Int32Array(count), // steps from birth to the last one that sees it
    mostAttention: new Uint8Array(count),
    mostAttentionAt: new Int32Array(count),
  };
  for (const name of ["attention", "mask"]) {
    if (layer[name].length !== episode.steps * count) {
      throw new Error(`layer ${index + 1}: ${name} has ${layer[name].length} bytes, not ${episode.steps} × ${count}`);
    }
  }
  for (let slot = 0; slot < count; slot++) {
    layer.begin[slot] = layer.covers[slot] > 1 ? firstSeen(episode, layer, slot) : layer.birth[slot];
    const last = Math.min(layer.seenUntil[slot], episode.steps - 1);
    layer.end[slot] = layer.deleted[slot] >= 0 ? Math.min(last, layer.deleted[slot] - 1) : last;
    layer.kept[slot] = Math.max(0, layer.end[slot] - layer.birth[slot]);
  }
  findMostAttention(episode, layer);
  layer.ranked = [...layer.birth.keys()]
    .filter((slot) => layer.begin[slot] <= layer.end[slot])
    .sort((a, b) => layer.kept[b] - layer.kept[a] || layer.birth[a] - layer.birth[b]);
  return layer;
}

// A pooled slot carries the birth of what it was pooled from; it is there from the first step that sees it.
function firstSeen(episode, layer, slot) {
  for (let step = layer.birth[slot]; step < episode.steps; step++) {
    if (layer.mask[step * layer.count + slot] > 0) return step;
  }
  return episode.steps;
}

// A slot's own step is left out where it has later ones: what counts is that it was looked back at.
function findMostAttention(episode, layer) {
  const { count, attention, birth, mostAttention, mostAttentionAt } = layer;
  mostAttentionAt.set(birth);
  for (let step = 0; step < episode.steps; step++) {
    for (let slot = 0, at = step * count; slot < count; slot++, at++) {
      if (step > birth[slot] && attention[at] > mostAttention[slot]) {
        mostAttention[slot] = attention[at];
        mostAttentionAt[slot] = step;
      }
    }
  }
}

function isAlive(layer, slot, step) {
  return layer.begin[slot] <= step && step <= layer.end[slot];
}

function attentionAt(layer, slot, step) {
  return layer.attention[step * layer.count + slot] / 255;
}

function slotName(episode, layer, slot) {
  const birth = layer.birth[slot];
  if (layer.covers[slot] > 1) return `${layer.covers[slot]} steps pooled, step ${birth}`;
  return episode.isNotable(birth) ? episode.labels[birth] : `step ${birth}`;
}

// The memories most attended to at a step, strongest first; its own step too.
function strongest(layer, step, number) {
  const best = [];
  for (let slot = 0, at = step * layer.count; slot < layer.count; slot++, at++) {
    const value = layer.attention[at];
    if (value < 5 || (best.length === number && value <= best[number - 1].value)) continue; // under 2%
    best.push({ slot, value });
    best.sort((a, b) => b.value - a.value);
    if (best.length > number) best.pop();
  }
  return best;
}

function countWords(labels) {
  const counts = new Map();
  for (const label of labels) {
    if (label !== "-") counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([label]) => label)
    .slice(0, 60);
}

// For how long a layer kept what it kept longest, by label, and all else.
function describeKept(episode, layer) {
  const sums = new Map();
  for (const slot of layer.ranked) {
    const label = episode.labels[layer.birth[slot]];
    const [total, number] = sums.get(label) ?? [0, 0];
    sums.set(label, [total + layer.kept[slot], number + 1]);
  }
  const mean = (rows) =>
    rows.reduce((sum, [, [total]]) => sum + total, 0) / rows.reduce((sum, [, [, count]]) => sum + count, 0);
  const rows = [...sums].sort((a, b) => mean([b]) - mean([a]));
  const first = rows.findIndex(([label]) => label !== "-");
  if (first < 0) return rows.length ? `kept ${rounded(mean(rows), 1)} steps on average` : "nothing kept";
  const [top] = rows.splice(first, 1);
  const others = rows.length ? `, all others ${rounded(mean(rows), 1)}` : "";
  return `${top[0]} kept ${rounded(mean([top]), 1)} steps on average${others}`;
}
