// What the environment and the agent did at one step: frame, view, words, actions.

function pictureOf(pictures, step) {
  return pictures ? pictures.images[pictures.index[step]] : "";
}

// The words of each cell as a grid; walls are hatched, what is notable is framed.
function fillCells(grid, episode, step) {
  grid.style.gridTemplateColumns = `repeat(${episode.columns}, 1fr)`;
  const cells = episode.cells[step].map((words) => {
    const things = words.filter((word) => word !== "block" && word !== "agent");
    const kind = things.length ? "thing" : words.includes("agent") ? "agent" : words.includes("block") ? "blocked" : "";
    return make("div", { class: kind }, words.join(" "));
  });
  grid.replaceChildren(...cells);
  grid.setAttribute("aria-label", episode.cells[step].map((words) => words.join(" ") || "free").join(", "));
}

function describeLabel(episode, step) {
  return episode.isNotable(step) ? episode.labels[step] : "nothing notable";
}

class StepPanel {
  constructor(host, episode) {
    this.episode = episode;
    this.label = make("p", { class: "label", id: "label" });
    this.numbers = { value: make("dd", { id: "value" }), reward: make("dd", { id: "reward" }) };
    const numbers = make(
      "dl",
      { class: "numbers" },
      make("dt", {}, "value"),
      this.numbers.value,
      make("dt", {}, "reward"),
      this.numbers.reward,
    );
    const image = (name, alt) => make("img", { class: name, alt, decoding: "sync" });
    this.frame = episode.frames ? image("frame", "the whole environment") : null;
    this.view = episode.views ? image("view", "what the agent sees") : null;
    this.cells = episode.cells ? make("div", { class: "cells", role: "img" }) : null;
    this.actions = make("div", { class: "actions" });
    this.fills = this.makeActions();
    const sees = make("div", {}, make("p", { class: "caption" }, "The agent sees"), this.label, numbers);
    host.replaceChildren(
      ...[
        this.frame && make("figure", {}, make("p", { class: "caption" }, "Environment"), this.frame),
        this.view ? make("div", { class: "pair" }, this.view, sees) : sees,
        this.cells,
        make("div", {}, make("p", { class: "caption" }, "Action"), this.actions),
      ].filter(Boolean),
    );
  }

  makeActions() {
    const { actions, probabilities } = this.episode;
    if (!actions || !probabilities) {
      this.only = this.actions.appendChild(make("p", { class: "label" }));
      return [];
    }
    return actions.map((name) => {
      const fill = make("div", { class: "fill" });
      const share = make("span", { class: "share" });
      const row = make(
        "div",
        { class: "action" },
        make("span", { class: "tick", "aria-hidden": "true" }),
        make("span", {}, name),
        make("div", { class: "track" }, fill),
        share,
      );
      this.actions.append(row);
      return { row, fill, share, name };
    });
  }

  show(step) {
    const { episode } = this;
    this.label.textContent = describeLabel(episode, step);
    this.label.classList.toggle("none", !episode.isNotable(step));
    this.numbers.value.textContent = rounded(episode.value[step]);
    this.numbers.reward.textContent = rounded(episode.reward[step]);
    if (this.frame) setPicture(this.frame, pictureOf(episode.frames, step));
    if (this.view) setPicture(this.view, pictureOf(episode.views, step));
    if (this.cells) fillCells(this.cells, episode, step);
    if (this.only) this.only.textContent = episode.action[step];
    this.fills.forEach(({ row, fill, share, name }, action) => {
      const probability = episode.probabilities[step][action];
      const isChosen = name === episode.action[step];
      fill.style.width = `${100 * probability}%`;
      share.textContent = percent(probability);
      row.classList.toggle("chosen", isChosen);
      row.setAttribute("aria-label", `${name} ${percent(probability)}${isChosen ? ", chosen" : ""}`);
    });
  }
}

function setPicture(image, source) {
  if (image.dataset.source === source) return;
  image.dataset.source = source;
  image.src = source;
}

// The axis over the timelines: steps, value as a line, rewards as marks, the current step.
class Overview {
  constructor(canvas, episode) {
    Object.assign(this, { canvas, episode, height: 54, still: document.createElement("canvas") });
  }

  prepare(width, view, colours) {
    Object.assign(this, { width, view, colours, ratio: window.devicePixelRatio || 1 });
    this.canvas.style.height = `${this.height}px`;
    for (const canvas of [this.canvas, this.still]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(this.height * this.ratio);
    }
    const context = this.still.getContext("2d");
    context.scale(this.ratio, this.ratio);
    this.paintValue(context);
    this.paintTicks(context);
  }

  x(step) {
    return ((step - this.view.from) / (this.view.to - this.view.from)) * this.width;
  }

  stepAt(x) {
    const step = Math.floor(this.view.from + (x / this.width) * (this.view.to - this.view.from));
    return Math.max(0, Math.min(this.episode.steps - 1, step));
  }

  paintValue(context) {
    const { episode, colours, height } = this;
    const finite = episode.value.filter(Number.isFinite);
    const low = Math.min(0, ...finite);
    const high = Math.max(0.01, ...finite);
    byId("legend-value").textContent = `value, ${rounded(low)} to ${rounded(high)}`;
    const y = (value) => height - 4 - ((value - low) / (high - low)) * (height - 28);
    context.strokeStyle = colours.muted;
    context.lineWidth = 1.5;
    context.beginPath();
    episode.value.forEach((value, step) => context.lineTo(this.x(step + 0.5), y(value)));
    context.stroke();
    this.paintRewards(context);
  }

  // Triangles, up for a gain and down for a loss; where there are many, lines as long as they are large.
  paintRewards(context) {
    const { episode, colours } = this;
    const rewards = [...episode.reward.entries()].filter(([, reward]) => reward);
    const largest = Math.max(...rewards.map(([, reward]) => Math.abs(reward)));
    for (const [step, reward] of rewards) {
      const x = Math.max(4, Math.min(this.width - 4, this.x(step + 0.5)));
      const sign = Math.sign(reward);
      context.fillStyle = reward > 0 ? colours.good : colours.bad;
      if (rewards.length > 40) {
        context.fillRect(x, 20, 1, (-sign * Math.max(1, Math.abs(reward) * 7)) / largest);
        continue;
      }
      context.beginPath();
      context.moveTo(x, 19.5 - 3.5 * sign);
      context.lineTo(x - 4, 19.5 + 3.5 * sign);
      context.lineTo(x + 4, 19.5 + 3.5 * sign);
      context.fill();
    }
  }

  paintTicks(context) {
    const { view, colours, episode } = this;
    const raw = ((view.to - view.from) * 70) / this.width;
    const size = 10 ** Math.floor(Math.log10(raw));
    const gap = Math.max(1, [1, 2, 5, 10].find((factor) => factor * size >= raw) * size);
    context.fillStyle = colours.muted;
    context.font = BAR_FONT;
    for (let step = Math.ceil(view.from / gap) * gap; step <= Math.min(view.to, episode.steps - 1); step += gap) {
      const x = Math.round(this.x(step + 0.5));
      context.fillRect(x, 0, 1, 4);
      const text = String(step);
      const width = context.measureText(text).width;
      if (x + 4 + width < this.width) context.fillText(text, x + 4, 10);
    }
  }

  draw(step) {
    const context = this.canvas.getContext("2d");
    const { ratio, colours, height } = this;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.still, 0, 0);
    const now = Math.round(this.x(step + 0.5) * ratio);
    context.fillStyle = colours.now;
    context.fillRect(now - Math.round(ratio), 0, Math.round(2 * ratio), height * ratio);
  }
}
