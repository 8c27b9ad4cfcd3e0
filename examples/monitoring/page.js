"use strict";

// The page asks for a snapshot each second, keeps two minutes of them and draws these.

const WINDOW = 120; // seconds
const PATIENCE = 3000; // milliseconds
const LEFT = 40;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const say = (id, text) => {
  byId(id).textContent = text;
};

// ---- Figures

const count = (number) => {
  if (number === null) return "–";
  if (number < 10_000) return `${Math.round(number)}`;
  return `${(number / 1000).toFixed(1).replace(".0", "")}k`;
};
const percent = (share) => `${Math.round(100 * share)}%`;
const bytes = (number) =>
  number < 1 << 20 ? `${Math.round(number / 1024)} KiB` : `${(number / (1 << 20)).toFixed(1)} MiB`;
const time = (seconds) => {
  if (seconds === null) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 0.9995) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
};

// ---- What was seen

/** Points of a moment, oldest first: `at` is in seconds of the page's clock. */
let points = [];
let last = null;

function keep(now, at) {
  const before = last;
  last = { now, at };
  // A program that was started anew counts from zero.
  if (before !== null && now.buffer.attempts < before.now.buffer.attempts) points = [];
  if (before === null) return;
  const passed = at - before.at;
  const rate = (count) => Math.max(0, (count(now) - count(before.now)) / passed);
  const gained = (count) => Math.max(0, count(now) - count(before.now));
  const lags = now.consumer.partitions.map((partition) => partition.lag_events ?? 0);
  points.push({
    at,
    in: rate((it) => it.buffer.delivered),
    out: rate((it) => it.consumer.handled),
    offered: now.load.events_per_second,
    limit: now.limiter.events_per_second,
    median: now.load.latency_median,
    p99: now.load.latency_p99,
    held: now.buffer.events,
    bound: now.buffer.max_events,
    throttled: gained((it) => it.buffer.throttled),
    retried: gained((it) => it.buffer.retries),
    lag: lags.reduce((sum, lag) => sum + lag, 0),
  });
  while (points.length > 0 && points[0].at < at - WINDOW) points.shift();
}

// ---- Charts

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The next number that is no less, round, and so is half of it. */
function round(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= number * 0.999);
}

/**
 * Draws series over the last two minutes. Each is `{ of, ink, style }` where `of` is a
 * field of a point; `least` is the least that the axis reaches to.
 */
function draw(id, series, { least, label, told }) {
  const chart = byId(id);
  const [, , width, height] = chart.getAttribute("viewBox").split(" ").map(Number);
  const bottom = height - 18;
  const values = series.flatMap(({ of }) => points.map((point) => point[of] ?? 0));
  const top = round(Math.max(least, ...values));
  const end = points.length > 0 ? points[points.length - 1].at : 0;
  const x = (at) => LEFT + (width - LEFT - 6) * (1 - (end - at) / WINDOW);
  const y = (value) => bottom - (bottom - 8) * (value / top);

  const drawn = [0, 0.5, 1].flatMap((share) => [
    element("line", { class: "grid", x1: LEFT, x2: width, y1: y(share * top), y2: y(share * top) }),
    element("text", { x: LEFT - 6, y: y(share * top) + 4, "text-anchor": "end" }, label(share * top)),
  ]);
  for (const ago of [120, 60, 0]) {
    const anchor = ago === 0 ? "end" : ago === 120 ? "start" : "middle";
    const text = ago === 0 ? "now" : `${ago} s ago`;
    drawn.push(element("text", { x: x(end - ago), y: height - 3, "text-anchor": anchor }, text));
  }
  for (const { of, ink, style } of series) {
    const known = points.filter((point) => point[of] !== null);
    if (known.length === 0) continue;
    if (style === "bars") {
      for (const point of known.filter((point) => point[of] > 0)) {
        const [from, to] = [y(point[of]), bottom];
        drawn.push(element("rect", { class: `bar ${ink}`, x: x(point.at) - 2, y: from, width: 2.4, height: to - from }));
      }
      continue;
    }
    const line = known.map((point) => `${x(point.at).toFixed(1)},${y(point[of]).toFixed(1)}`);
    const newest = known[known.length - 1];
    if (style === "area") {
      const area = `${x(known[0].at)},${bottom} ${line.join(" ")} ${x(newest.at)},${bottom}`;
      drawn.push(element("polygon", { class: `area ${ink}`, points: area }));
    }
    drawn.push(element("polyline", { class: `line ${ink} ${style === "dashed" ? "dashed" : ""}`, points: line.join(" ") }));
    if (style !== "dashed") {
      drawn.push(element("circle", { class: `now ${ink}`, cx: x(newest.at), cy: y(newest[of]), r: 4 }));
    }
  }
  chart.replaceChildren(...drawn);
  chart.setAttribute("aria-label", told);
}

function drawAll({ now }) {
  if (points.length === 0) return;
  const point = points[points.length - 1];
  const total = (of) => points.reduce((sum, it) => sum + it[of], 0);

  say("rate-in", count(point.in));
  say("rate-out", count(point.out));
  say("rate-offered", count(point.offered));
  say("rate-limit", count(point.limit));
  draw("throughput", [
    { of: "limit", ink: "muted", style: "dashed" },
    { of: "offered", ink: "third", style: "dashed" },
    { of: "out", ink: "second", style: "solid" },
    { of: "in", ink: "first", style: "solid" },
  ], { least: 100, label: count, told: `${count(point.in)} events per second in, ${count(point.out)} out` });

  say("median", time(point.median));
  say("p99", time(point.p99));
  draw("latency", [
    { of: "p99", ink: "third", style: "solid" },
    { of: "median", ink: "first", style: "solid" },
  ], { least: 0.1, label: time, told: `Median ${time(point.median)}, 99th percentile ${time(point.p99)}` });

  const { buffer } = now;
  const shares = { events: buffer.events / buffer.max_events, bytes: buffer.bytes / buffer.max_bytes };
  say("held", count(buffer.events));
  say("bound", count(buffer.max_events));
  say("oldest", time(buffer.oldest_age));
  draw("buffer", [
    { of: "bound", ink: "muted", style: "dashed" },
    { of: "held", ink: "first", style: "area" },
  ], { least: buffer.max_events, label: count, told: `${buffer.events} of ${buffer.max_events} events` });
  byId("events-meter").value = shares.events;
  byId("bytes-meter").value = shares.bytes;
  say("events-share", `${percent(shares.events)} of ${count(buffer.max_events)}`);
  say("bytes-share", `${percent(shares.bytes)} of ${bytes(buffer.max_bytes)}`);

  say("throttled", total("throttled"));
  say("retried", total("retried"));
  draw("throttling", [
    { of: "throttled", ink: "third", style: "bars" },
    { of: "retried", ink: "fourth", style: "bars" },
  ], { least: 4, label: count, told: `${total("throttled")} attempts throttled, ${total("retried")} retried` });

  say("lag-events", count(point.lag));
  say("lag-time", time(slowest(now)));
  draw("lag", [
    { of: "lag", ink: "second", style: "area" },
  ], { least: 100, label: count, told: `${point.lag} events behind, for ${time(slowest(now))}` });
}

const slowest = (now) => Math.max(0, ...now.consumer.partitions.map((partition) => partition.lag ?? 0));

// ---- What is going on, and who owns what

function news({ buffer, gate, consumer }) {
  const found = [];
  if (gate.paused_for !== null) found.push(["bad", `Throttled: sending pauses for ${time(gate.paused_for)}`]);
  const full = Math.max(buffer.events / buffer.max_events, buffer.bytes / buffer.max_bytes);
  if (full > 0.8) found.push(["bad", `The buffer is ${percent(full)} full`]);
  if (buffer.waiting > 0) found.push(["warn", "Callers wait for room"]);
  if (buffer.oldest_age > 10) found.push(["warn", `An event has waited for ${time(buffer.oldest_age)}`]);
  const lag = slowest({ consumer });
  if (lag > 10) found.push(["bad", `The consumer is ${time(lag)} behind`]);
  for (const { id, state, owner } of consumer.partitions) {
    if (state !== "Reading") found.push(["warn", `Partition ${id}: ${state}, owned by ${owner ?? "nobody"}`]);
  }
  if (buffer.lost > 0) found.push(["bad", `${count(buffer.lost)} events were not delivered`]);
  if (found.length === 0) found.push(["good", "All is well"]);
  const items = found.map(([kind, text]) => {
    const item = document.createElement("li");
    item.className = kind;
    item.textContent = text;
    return item;
  });
  byId("news").replaceChildren(...items);
}

function row(partition) {
  const cells = [
    ["Partition", partition.id],
    ["State", partition.state],
    ["Owner", partition.owner ?? "–"],
    ["Owner level", partition.owner_level ?? "–"],
    ["Generation", partition.generation ?? "–"],
    ["Lag", partition.lag_events === null ? "–" : `${count(partition.lag_events)} events`],
    ["Behind for", time(partition.lag)],
    ["Unacknowledged", count(partition.unacknowledged)],
    ["Checkpoint age", time(partition.checkpoint_age)],
    ["Times lost", partition.thefts],
  ];
  const made = document.createElement("tr");
  for (const [name, text] of cells) {
    const cell = made.insertCell();
    cell.dataset.name = name;
    const inner = document.createElement("span");
    inner.textContent = text;
    if (name === "State") inner.className = `pill ${text === "Reading" ? "good" : "warn"}`;
    cell.append(inner);
  }
  return made;
}

function show(now, at) {
  keep(now, at);
  say("hub", now.hub);
  drawAll(last);
  news(now);
  byId("partitions").replaceChildren(...now.consumer.partitions.map(row));
  const asked = [`/load?events_per_second=${now.load.events_per_second}`, `/handlers?milliseconds=${now.consumer.handler_milliseconds}`];
  for (const button of document.querySelectorAll("[data-ask]:not([data-ask='/rival'])")) {
    button.setAttribute("aria-pressed", asked.includes(button.dataset.ask));
  }
}

// ---- The server

const ask = (path) => fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });

let since = null;

function answers() {
  since = null;
  byId("gone").hidden = true;
  byId("link").className = "pill good";
  if (byId("link").textContent !== "Live") say("link", "Live");
}

function isGone() {
  since ??= new Date().toLocaleTimeString();
  byId("gone").hidden = false;
  const text = `The server has not answered since ${since}: what you see is of before. It is asked again each second.`;
  if (byId("gone").textContent !== text) say("gone", text);
  byId("link").className = "pill bad";
  if (byId("link").textContent !== "Server gone") say("link", "Server gone");
}

async function poll() {
  let now = null;
  try {
    const answer = await ask("/snapshot");
    if (answer.ok) now = await answer.json();
  } catch {
    // It is told below.
  }
  setTimeout(poll, 1000);
  if (now === null) {
    isGone();
  } else {
    answers();
    show(now, performance.now() / 1000);
  }
}

for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", async () => {
    try {
      say("answer", await (await ask(button.dataset.ask)).text());
    } catch {
      say("answer", "The server does not answer.");
    }
  });
}

// ---- Light and dark

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
const nameOther = () => say("theme", isDark() ? "Light" : "Dark");
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameOther();
});
prefersDark.addEventListener("change", nameOther);
nameOther();
poll();
