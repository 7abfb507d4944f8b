// Line plots of sensor traces: one below the other on one axis of time, with what detectors and cameras said.
"use strict";

const Plot = (() => {
  const SPACE = { left: 52, right: 14, top: 24, bottom: 8 };
  const HEIGHTS = { first: 190, own: 110, far: 60, score: 70, video: 16 };

  const make = (name, attributes = {}, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  /** Round steps that cut a range into about `count` parts. */
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5, 10].find((one) => power * one >= rough) || 10);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(at);
    return found;
  }

  const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => 1000 * s);

  function clock(zone, seconds) {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}), hourCycle: "h23" });
    return (ms) => format.format(ms);
  }

  const number = (value) => (value === null ? "" : Math.abs(value) >= 1e4 ? value.toFixed(0) : String(Number(value.toPrecision(4))));

  /** Findings of one sensor that is judged by its own value: the threshold can stand in the plot of the value. */
  const inValues = (finding) => finding.threshold !== null && finding.value !== null && Math.abs(finding.score - finding.value) < 1e-9 + 1e-6 * Math.abs(finding.value);

  /** What judges by the value alone has no baseline of its own: it names the last value that was still well. */
  const based = (findings) => findings.filter((one) => one.baseline !== null && !inValues(one));

  function lasting(findings, until) {
    const open = new Map(), spans = [];
    for (const one of findings) {
      if (one.phase === "onset" && !open.has(one.monitor)) open.set(one.monitor, one.t);
      if (one.phase === "end" && open.has(one.monitor)) { spans.push([open.get(one.monitor), one.t]); open.delete(one.monitor); }
    }
    for (const start of open.values()) spans.push([start, until]);
    return spans;
  }

  /** Draw everything into a container. */
  function draw(container, data) {
    const words = JSON.parse(container.dataset.words);
    if (!data.lines.some((line) => line.points.length) && !data.video.length) {
      container.replaceChildren(Object.assign(document.createElement("p"), { className: "quiet", textContent: container.dataset.empty }));
      return;
    }
    const width = Math.max(280, container.clientWidth);
    const x = (ms) => SPACE.left + ((ms - data.start) / (data.until - data.start)) * (width - SPACE.left - SPACE.right);
    const svg = make("svg", { class: "plot", width });
    let top = 0;
    const hairs = [];
    // Cameras come after the alert's own sensors, before its neighbours.
    let seen = !data.video.length;
    const camera = () => { seen = true; top += SPACE.top; top = cameras(svg, data, { x, top, words }); };
    data.lines.forEach((line, index) => {
      if (!line.points.length && !line.findings.length && index) return;
      if (line.far !== undefined && !seen) camera();
      const height = index === 0 ? HEIGHTS.first : line.far === undefined ? HEIGHTS.own : HEIGHTS.far;
      top += SPACE.top;
      hairs.push(trace(svg, data, line, { x, top, height, width, words, first: index === 0, scale: hairs[0]?.scale }));
      top += height + SPACE.bottom;
      if (index === 0) {
        const scored = line.findings.filter((one) => !inValues(one) && one.score !== null && one.threshold !== null);
        if (scored.length) { top += 16; score(svg, data, scored, { x, top, width, words }); top += HEIGHTS.score + SPACE.bottom; }
      }
    });
    if (!seen) camera();
    axis(svg, data, { x, top, width, zone: container.dataset.zone });
    marks(svg, data, { x, top, words });
    svg.setAttribute("height", top + 26);
    svg.setAttribute("viewBox", `0 0 ${width} ${top + 26}`);
    hair(svg, data, hairs, { x, top, width, zone: container.dataset.zone });
    container.replaceChildren(svg);
  }

  function trace(svg, data, line, { x, top, height, width, words, first, scale }) {
    const group = make("g", { class: line.far === undefined ? "own" : "far" });
    const values = line.points.flatMap((point) => [point[1], point[2]]);
    const inside = line.findings.filter(inValues);
    for (const one of inside) values.push(one.threshold);
    if (first) for (const one of based(line.findings)) if (values.length) {
      const least = Math.min(...values), most = Math.max(...values);
      if (one.baseline > least - (most - least) && one.baseline < most + (most - least)) values.push(one.baseline);
    }
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1];
    // What hardly moves is drawn as hardly moving: at the scale of the sensor that raised the alert.
    if (line.far !== undefined && scale && high - low < scale / 4) [low, high] = [(low + high) / 2 - scale / 8, (low + high) / 2 + scale / 8];
    if (high - low < 1e-9 * Math.max(1, Math.abs(high))) { low -= .5; high += .5; }
    const margin = .08 * (high - low);
    low -= margin; high += margin;
    const y = (value) => top + height - ((value - low) / (high - low)) * height;
    for (const at of ticks(low, high, first ? 5 : 2)) {
      group.append(make("line", { class: "grid", x1: SPACE.left, x2: width - SPACE.right, y1: y(at), y2: y(at) }));
      group.append(make("text", { x: SPACE.left - 7, y: y(at) + 4, "text-anchor": "end" }, number(at)));
    }
    const far = line.far === undefined ? "" : " · " + words.far.replace("{far}", line.far);
    group.append(make("text", { class: "title", x: SPACE.left, y: top - 9 }, far && width < 420 ? line.sensor + far : `${line.name} · ${line.sensor}${far}`));
    group.append(make("text", { x: SPACE.left - 7, y: top - 9, "text-anchor": "end" }, line.unit));
    for (const [from, until] of lasting(line.findings, data.until)) {
      group.append(make("rect", { class: "lasting", x: x(from), width: Math.max(1, x(until) - x(from)), y: top, height }));
    }
    // A gap of five intervals or more breaks the line.
    const widest = Math.max(5000 / line.rate, 4 * data.step);
    const runs = [];
    line.points.forEach((point, i) => {
      if (i === 0 || point[0] - line.points[i - 1][0] > widest) runs.push([]);
      runs.at(-1).push(point);
    });
    for (const run of runs) {
      if (run.some((point) => point[2] - point[1] > 1e-12)) {
        const up = run.map((point) => `${x(point[0]).toFixed(1)},${y(point[2]).toFixed(1)}`);
        const down = run.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).reverse();
        group.append(make("polygon", { class: "band", points: [...up, ...down].join(" ") }));
      }
      if (run.length === 1) group.append(make("circle", { class: "dot", cx: x(run[0][0]), cy: y(run[0][3]), r: 2 }));
      group.append(make("polyline", { class: "trace", points: run.map((point) => `${x(point[0]).toFixed(1)},${y(point[3]).toFixed(1)}`).join(" ") }));
    }
    const limits = [...new Set(inside.map((one) => one.threshold))];
    for (const limit of limits) group.append(make("line", { class: "limit", x1: SPACE.left, x2: width - SPACE.right, y1: y(limit), y2: y(limit) }));
    if (limits.length) group.append(make("text", { class: "limit-key", x: width - SPACE.right, y: y(Math.max(...limits)) - 5, "text-anchor": "end" }, words.threshold));
    if (first) {
      const drawn = based(line.findings).filter((one) => y(one.baseline) >= top && y(one.baseline) <= top + height);
      if (drawn.length) {
        const path = drawn.map((one, i) => `${i ? "H" + x(one.t) + "V" : "M" + SPACE.left + " "}${y(one.baseline)}`).join("") + `H${width - SPACE.right}`;
        group.append(make("path", { class: "baseline", d: path }));
        group.append(make("text", { class: "baseline-key", x: SPACE.left + 5, y: y(drawn[0].baseline) - 5 }, words.baseline));
      }
    }
    for (const one of line.findings) {
      if (one.value === null) continue;
      const dot = make("path", { class: "found", d: `M${x(one.t)} ${Math.min(top + height, Math.max(top, y(one.value))) - 3}l-4-7h8z` });
      dot.append(make("title", {}, `${one.detector}: ${one.phase}, ${one.reason} ${number(one.value)} ${line.unit}, ${words.score} ${number(one.score)}, ${words.threshold} ${number(one.threshold)}`));
      group.append(dot);
    }
    svg.append(group);
    return { line, top, scale: high - low };
  }

  function score(svg, data, findings, { x, top, width, words }) {
    const height = HEIGHTS.score;
    const most = 1.15 * Math.max(...findings.map((one) => Math.max(one.score, one.threshold)));
    const least = Math.min(0, ...findings.map((one) => one.score));
    const y = (value) => top + height - ((value - least) / (most - least)) * height;
    const group = make("g");
    group.append(make("text", { class: "score-key", x: SPACE.left, y: top - 5 }, `${words.score} · ${[...new Set(findings.map((one) => one.detector))].join(", ")}`));
    for (const at of ticks(least, most, 2)) {
      group.append(make("line", { class: "grid", x1: SPACE.left, x2: width - SPACE.right, y1: y(at), y2: y(at) }));
      group.append(make("text", { x: SPACE.left - 7, y: y(at) + 4, "text-anchor": "end" }, number(at)));
    }
    for (const detector of new Set(findings.map((one) => one.detector))) {
      const own = findings.filter((one) => one.detector === detector);
      const limit = own[0].threshold;
      group.append(make("line", { class: "limit", x1: SPACE.left, x2: width - SPACE.right, y1: y(limit), y2: y(limit) }));
      group.append(make("polyline", { class: "score", points: own.map((one) => `${x(one.t)},${y(one.score)}`).join(" ") }));
      for (const one of own) group.append(make("circle", { class: "score dot", cx: x(one.t), cy: y(one.score), r: 3 }));
    }
    svg.append(group);
  }

  function cameras(svg, data, { x, top, words }) {
    const names = [...new Set(data.video.map((event) => event.camera))];
    svg.append(make("text", { class: "title", x: SPACE.left, y: top - 8 }, words.video));
    names.forEach((name, row) => {
      const y = top + row * HEIGHTS.video + 8;
      svg.append(make("line", { class: "grid", x1: SPACE.left, x2: x(data.until), y1: y, y2: y }));
      svg.append(make("text", { x: SPACE.left - 7, y: y + 4, "text-anchor": "end" }, name.split("-").slice(-2).join("-").slice(-7)));
      for (const event of data.video.filter((one) => one.camera === name)) {
        const dot = make("circle", { class: "camera", cx: x(event.t), cy: y, r: 2.5 + 3.5 * event.confidence });
        dot.append(make("title", {}, `${name}: ${event.name}, ${(100 * event.confidence).toFixed(0)} %`));
        svg.append(dot);
      }
    });
    return top + names.length * HEIGHTS.video + SPACE.bottom;
  }

  function axis(svg, data, { x, top, width, zone }) {
    const step = SPANS.find((one) => (data.until - data.start) / one <= width / 90) || 86400000;
    const say = clock(zone, step < 60000);
    for (let at = Math.ceil(data.start / step) * step; at <= data.until; at += step) {
      svg.append(make("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: top + 5 }));
      svg.append(make("text", { x: x(at), y: top + 19, "text-anchor": "middle" }, say(at)));
    }
  }

  function marks(svg, data, { x, top, words }) {
    let busy = -Infinity;
    for (const name of ["onset", "raised", "acknowledged", "cleared"]) {
      if (!data[name] || data[name] < data.start || data[name] > data.until) continue;
      const at = x(data[name]);
      svg.append(make("line", { class: `when ${name}`, x1: at, x2: at, y1: 14, y2: top }));
      if (at - busy <= 52) continue;
      const last = at > x(data.until) - 60;  // its word would stand outside
      svg.append(make("text", { x: at + (last ? -4 : 4), y: 26, class: "key", "text-anchor": last ? "end" : "start" }, words[name]));
      busy = at;
    }
  }

  /** A line under the pointer that says what was measured then. */
  function hair(svg, data, parts, { x, top, width, zone }) {
    const say = clock(zone, true);
    const group = make("g", { visibility: "hidden" });
    const line = make("line", { class: "hair", y1: 12, y2: top });
    const time = make("text", { class: "tip", y: 9, "text-anchor": "middle" });
    const tips = parts.map((part) => make("text", { class: "tip", y: part.top - 9, x: width - SPACE.right, "text-anchor": "end" }));
    group.append(line, time, ...tips);
    svg.append(group);
    svg.addEventListener("pointermove", (event) => {
      const at = event.clientX - svg.getBoundingClientRect().left;
      const ms = data.start + ((at - SPACE.left) / (width - SPACE.left - SPACE.right)) * (data.until - data.start);
      if (ms < data.start || ms > data.until) return group.setAttribute("visibility", "hidden");
      group.setAttribute("visibility", "visible");
      line.setAttribute("x1", at); line.setAttribute("x2", at);
      time.setAttribute("x", Math.min(width - 40, Math.max(40, at)));
      time.textContent = say(ms);
      parts.forEach((part, i) => {
        let best = null;
        for (const point of part.line.points) if (!best || Math.abs(point[0] - ms) < Math.abs(best[0] - ms)) best = point;
        const near = best && Math.abs(x(best[0]) - at) < 30;
        tips[i].textContent = near ? `${number(best[3])} ${part.line.unit}` : "–";
      });
    });
    svg.addEventListener("pointerleave", () => group.setAttribute("visibility", "hidden"));
  }

  return { draw };
})();
