// What the pages do beyond links and forms, which work without this: follow the fleet, let the time pass, draw.
(() => {
  "use strict";
  const ahead = Number(document.documentElement.dataset.now) - Date.now(); // the server's clock is the fleet's
  const now = () => Date.now() + ahead;

  // The stream: the inside of <main>, whenever it is another one. Whatever has the focus, or is typed, stays.
  const stream = document.getElementById("stream");
  const lost = document.getElementById("lost");
  const fresh = document.getElementById("fresh");
  let lostTimer = null;
  let isLive = false;
  let isEnded = false; // by the server, which keeps only so many pages up to date

  function live() {
    clearTimeout(lostTimer);
    lostTimer = null;
    isLive = true;
    lost.hidden = true;
    fresh.textContent = "live";
  }

  function away() {
    isLive = false;
    if (isEnded) return;
    // A tab in the background has no stream on purpose, and a restart of the server is over in a moment.
    lostTimer ??= setTimeout(() => {
      lostTimer = null;
      lost.hidden = isLive || document.hidden;
      if (!lost.hidden) fresh.textContent = "not live";
    }, 4000);
  }

  if (stream) {
    stream.addEventListener("main", (event) => {
      htmx.swap({ sourceElement: stream, target: "#main", swap: "innerMorph", text: event.detail.data });
      live();
    });
    stream.addEventListener("htmx:after:swap", tick);
    stream.addEventListener("htmx:sse:after:connection", (event) => {
      if (event.detail.connection.status < 400) live();
    });
    stream.addEventListener("htmx:sse:before:connection", (event) => {
      if (event.detail.connection.attempt > 0) away();
    });
    stream.addEventListener("end", (event) => {
      isEnded = true;
      lost.textContent = event.detail.data;
      lost.hidden = false;
      fresh.textContent = "not live";
    });
    for (const name of ["htmx:sse:error", "htmx:sse:close", "htmx:error"]) stream.addEventListener(name, away);
    // htmx comes again by itself once there was an answer; the first one may have failed, or been refused.
    setInterval(() => { if (!document.hidden && !isLive && !isEnded && !stream._htmx?.sse) htmx.trigger(stream, "again"); }, 10000);
  }

  // The time: what is left of a ban, and how long ago something was. The words are those of the server.
  const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

  function words(seconds) {
    const place = Math.max(0, UNITS.findIndex(([, size]) => seconds >= size));
    if (seconds < 1) return "0s";
    const [unit, size] = UNITS[place];
    const [lower, part] = UNITS[place + 1] ?? ["", 1];
    const rest = lower ? Math.floor((seconds % size) / part) : 0;
    return `${Math.floor(seconds / size)}${unit}${rest ? ` ${rest}${lower}` : ""}`;
  }

  function tick() {
    const at = now();
    for (const each of document.querySelectorAll("time[data-left], time[data-ago]")) {
      const is_left = "left" in each.dataset;
      const seconds = Math.floor((is_left ? 1 : -1) * (Date.parse(each.dateTime) - at) / 1000);
      const text = is_left ? (seconds < 0 ? "ended" : words(seconds)) : `${words(Math.max(0, seconds))} ago`;
      if (each.textContent !== text) each.textContent = text;
    }
  }
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  tick();

  // What was not there yet is asked for again.
  let again = null;

  function askAgain() {
    const later = document.querySelector("[data-again]");
    if (!later) return;
    again ??= setTimeout(() => { again = null; if (document.querySelector("[data-again]")) location.reload(); }, later.dataset.again * 1000);
  }
  stream?.addEventListener("htmx:after:swap", askAgain);
  askAgain();

  // The charts: bars by jail, one upon the other; their colours and the order of jails are those of the table.
  const charts = () => [...document.querySelectorAll("[data-chart]")];
  const sync = "series";
  let drawn = [];
  let series = null;
  let loaded = 0;

  const colour = (element) => getComputedStyle(element).color;
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const written = (how) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...how });
  const hour = written({ hour: "2-digit", minute: "2-digit" });
  const day = written({ month: "short", day: "numeric" });
  const clock = written({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

  function jails(kind) {
    return [...document.querySelectorAll("#series [data-jail]")]
      .map((each) => ({ name: each.dataset.jail, colour: colour(each), numbers: kind[each.dataset.jail] }))
      .filter((each) => each.numbers);
  }

  // The first jail is drawn first and highest: what stands below it hides all but its own part.
  function stacked(found, length) {
    const sums = [];
    let below = new Array(length).fill(0);
    for (const each of [...found].reverse()) {
      below = below.map((number, place) => number + each.numbers[place]);
      sums.unshift(below);
    }
    return sums;
  }

  function draw(element) {
    const found = jails(series.kinds[element.dataset.chart] ?? {});
    const told = element.parentElement.querySelector("output");
    const line = "rgba(128,128,128,.22)";
    const axis = { stroke: colour(element), grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const bars = uPlot.paths.bars({ size: [1, 40], gap: 1, align: 1 });
    const say = (plot) => {
      const at = plot.cursor.idx;
      told.textContent = at == null ? "" : [
        clock.format(series.at[at] * 1000),
        ...found.filter((each) => each.numbers[at]).map((each) => `${each.name} ${each.numbers[at].toLocaleString("en")}`),
      ].join(" · ");
    };
    return new uPlot({
      width: element.clientWidth,
      height: element.clientHeight,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      legend: { show: false },
      cursor: { sync: { key: sync }, drag: { x: false, y: false }, points: { show: false }, y: false },
      // A bar stands to the right of its time: without a step more the last one, which is now, would be cut off.
      scales: { x: { range: (_, first, last) => [first, last + series.step] }, y: { range: (_, low, high) => [0, Math.max(4, high * 1.05)] } },
      axes: [
        { ...axis, space: 60, size: 22, gap: 3, values: (_, all, __, ___, step) => all.map((at) => (step >= 86400 || at % 86400 === 0 ? day : hour).format(at * 1000)) },
        { ...axis, size: 40, gap: 3, space: 22, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7], values: (_, all) => all.map((each) => compact.format(each)) },
      ],
      series: [{}, ...found.map((each) => ({ label: each.name, fill: each.colour, width: 0, points: { show: false }, paths: bars }))],
      hooks: { setCursor: [say] },
    }, [series.at, ...stacked(found, series.at.length)], element);
  }

  function redraw() {
    for (const each of drawn) each.destroy();
    drawn = series ? charts().map(draw) : [];
  }

  async function load() {
    const [first] = charts();
    if (!first || Date.now() - loaded < 5000) return;
    loaded = Date.now();
    try {
      const answer = await fetch(first.dataset.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      series = await answer.json();
      redraw();
    } catch {
      // The next time tells; what is drawn stays.
    }
  }

  if (window.uPlot) {
    load();
    // Where nothing had been counted there were no charts when the page came.
    stream?.addEventListener("htmx:after:swap", () => { if (document.querySelector("[data-chart]:empty")) load(); });
    setInterval(() => { if (!document.hidden) load(); }, 30000);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    let width = innerWidth;
    addEventListener("resize", () => { if (width !== innerWidth) { width = innerWidth; redraw(); } });
  }
})();
