// One symbol in full (the card), what a layer remembers, the longest-kept words, and what replacing and limiting did.

function fillCard(host, trace, passage, step, layer, isPointed, actions) {
  const word = trace.isWords ? null : passage.words[passage.word_of[step]];
  const piece = passage.pieces[step];
  const name = piece === "" ? "a byte" : visible(piece);
  host.replaceChildren(
    make(
      "div",
      { class: "heading" },
      make("h2", {}, isPointed ? "Pointed at" : "Current symbol"),
      make("span", { class: "facts" }, `symbol ${grouped(step)}`),
    ),
    make(
      "p",
      { class: "label", id: "label" },
      make("q", {}, name),
      ...(word && word !== piece ? [" of ", make("q", {}, visible(word))] : []),
    ),
    costLines(passage, step),
    layerTable(trace, passage, step, layer, actions),
  );
}

function costLines(passage, step) {
  const lines = [];
  if (passage.isNextSymbol) {
    const cost = costOf(passage, passage.bits, step);
    lines.push(["cost", make("dd", { id: "cost" }, Number.isNaN(cost) ? "not predicted" : `${rounded(cost)} bits`)]);
  }
  if (Number.isNaN(passage.bits[step])) {
    lines.push([passage.isNextSymbol ? "next" : "answer", make("dd", { id: "next" }, "nothing asked")]);
  } else {
    const target = passage.names[passage.target[step]];
    const guess = passage.names[passage.predicted[step]];
    const isRight = passage.target[step] === passage.predicted[step];
    const said = isRight ? "✓ likeliest" : `likeliest ${visible(guess)}`;
    lines.push([
      passage.isNextSymbol ? "next" : "answer",
      make(
        "dd",
        { id: "next" },
        `${visible(target)}, ${rounded(passage.bits[step])} bits, `,
        make("span", { class: isRight ? "right" : "wrong" }, said),
      ),
    ]);
  }
  return make("dl", { class: "numbers" }, ...lines.flatMap(([name, value]) => [make("dt", {}, name), value]));
}

function layerTable(trace, passage, step, selected, actions) {
  const titles = ["Layer", trace.has_learned_spans ? "Span" : "Window", "Expires at", "Attention", "Most"];
  const rows = passage.layers.map((layer, number) => {
    const isCut = layer.expiry[step] - 1 > layer.seenUntil[step];
    const most = layer.most[step];
    const cells = [
      `${number + 1}`,
      amount(layer.span[step]),
      [grouped(layer.expiry[step]), isCut ? make("small", {}, "past the end") : null],
      amount(layer.attention[step]),
      most > 0 ? [percent(most), make("small", {}, `from ${grouped(layer.mostAt[step])}`)] : "–",
    ];
    return make(
      "tr",
      { class: number === selected ? "selected" : "", onclick: () => actions.setLayer(number) },
      ...cells.map((cell) => make("td", {}, ...[cell].flat())),
    );
  });
  return tableOf(titles, rows);
}

// The text of what is alive, gaps as dots; the newest part of it where that is much.
function fillRemembered(host, trace, passage, alive, limit = 500) {
  const shown = alive.slice(-limit);
  const parts = [];
  if (alive.length > limit) parts.push(make("i", {}, `${grouped(alive.length - limit)} older ones, then …`));
  shown.forEach((i, k) => {
    if (k > 0 && i !== shown[k - 1] + 1) parts.push(make("i", {}, "…"));
    const symbol = make("b", {}, visible(passage.pieces[i]));
    symbol.dataset.i = i;
    parts.push(symbol, trace.isWords ? " " : make("wbr"));
  });
  host.replaceChildren(...(parts.length ? parts : ["Nothing."]));
}

function fillLongest(host, trace, passage, layer, actions) {
  const { words, num_words: total } = passage.layers[layer];
  if (!words.length) {
    const why = `Every symbol is kept for the same time, ${amount(passage.layers[layer].span[0])} symbols or so.`;
    host.replaceChildren(make("h2", {}, `Kept longest in layer ${layer + 1}`), make("p", { class: "note" }, why));
    return;
  }
  const longest = words[0].mean || 1;
  const rows = words.map((one) => {
    const times = one.count === 1 ? "once" : `${grouped(one.count)} times, longest ${amount(one.longest)}`;
    const button = make(
      "button",
      { type: "button", class: "row", onclick: () => actions.goTo(one.step) },
      make("b", {}, visible(one.word)),
      make("span", {}, amount(one.mean)),
      make("small", {}, times),
      make("i", { style: { width: `${(100 * one.mean) / longest}%` } }),
    );
    return make("li", {}, button);
  });
  host.replaceChildren(
    make("h2", {}, `Kept longest in layer ${layer + 1}`),
    make("p", { class: "note" }, `Mean span of each of the ${plural(total, "word")}, by its longest-kept symbol.`),
    make("ol", {}, ...rows),
  );
}

function fillReplacements(host, trace, actions) {
  host.hidden = trace.replacements.length === 0;
  if (host.hidden) return;
  const tables = trace.replacements.flatMap((one) => [
    make("h3", {}, `${one.old} → ${one.new}, ${plural(one.old_places.length, "place")}`),
    replacementTable(trace, one, actions),
  ]);
  const note =
    "Span of the word and of what stands in its place, by their longest-kept symbols; and by how much the spans of all " +
    "later symbols changed, on average and at most.";
  host.replaceChildren(make("h2", {}, "Replaced words"), make("p", { class: "note" }, note), ...tables);
}

function replacementTable(trace, one, actions) {
  const longest = Math.max(1e-9, ...one.layers.flatMap(({ before, after }) => [before, after]));
  const bar = (name, value) => make("i", { class: name, style: { width: `${(100 * value) / longest}%` } });
  const rows = one.layers.map((layer, number) => {
    const show = () => actions.show(one.passage, number, one.new_places[0][0]);
    const elsewhere = layer.elsewhere.slice(0, 4).map((symbol) =>
      make(
        "button",
        { type: "button", class: "link", onclick: () => actions.show(one.passage, number, symbol.step) },
        `${visible(symbol.word)} ${amount(symbol.before)} → ${amount(symbol.after)}`,
      ),
    );
    return make(
      "tr",
      {},
      make("td", {}, make("button", { type: "button", class: "link", onclick: show }, `layer ${number + 1}`)),
      make(
        "td",
        {},
        make(
          "div",
          { class: "change" },
          make("span", {}, `${one.old} ${amount(layer.before)}`),
          bar("before", layer.before),
          make("span", {}, `${one.new} ${amount(layer.after)}`),
          bar("after", layer.after),
        ),
      ),
      make("td", { class: "number" }, amount(layer.elsewhere_mean)),
      make("td", {}, make("span", { class: "where" }, ...(elsewhere.length ? elsewhere : ["–"]))),
    );
  });
  return tableOf(["", "Span", "Elsewhere, mean", "Elsewhere, most changed"], rows, "replaced");
}

function fillLimit(host, trace, actions) {
  const { limit } = trace;
  host.hidden = !limit;
  if (host.hidden) return;
  const passage = trace.passages.length - 1;
  const longest = Math.max(1e-9, ...limit.worst.map(({ before, after }) => Math.max(before, after)));
  const bar = (name, value) => make("i", { class: name, style: { width: `${(100 * value) / longest}%` } });
  const rows = limit.worst.map((one) =>
    make(
      "tr",
      {},
      make("td", { class: "context" }, `…${visible(one.context)}`, make("b", {}, ` ${visible(one.target)}`)),
      make(
        "td",
        {},
        make(
          "button",
          { type: "button", class: "link", onclick: () => actions.show(passage, null, one.step) },
          `symbol ${grouped(one.step)}`,
        ),
      ),
      make(
        "td",
        {},
        make(
          "div",
          { class: "change worse" },
          make("span", {}, `${rounded(one.before)} bits`),
          bar("before", one.before),
          make("span", {}, `${rounded(one.after)} bits`),
          bar("after", one.after),
        ),
      ),
    ),
  );
  const facts =
    limit.bits_before === null
      ? "Nothing is to be predicted here."
      : `${rounded(limit.bits_before, 3)} → ${rounded(limit.bits_after, 3)} bits a prediction; ` +
        `${grouped(limit.right_before)} → ${grouped(limit.right_after)} of ${grouped(limit.num_targets)} right.`;
  host.replaceChildren(
    make("h2", {}, `Which predictions need more than ${grouped(limit.steps)} symbols`),
    make("p", { class: "note" }, facts),
    rows.length ? tableOf(["Read, and to be predicted", "After", "Without and with the limit"], rows) : "",
  );
}

function tableOf(titles, rows, name = "") {
  const heads = titles.map((title) => make("th", { scope: "col" }, title));
  return make("table", { class: name }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
}
