// Maps: drag, pinch or turn the wheel; pins keep their size.
"use strict";

const CityMap = (() => {
  const box = (svg) => svg.getAttribute("viewBox").split(" ").map(Number);

  /** Metres of one pixel. */
  function scale(svg) {
    const [, , width, height] = box(svg);
    const { width: w, height: h } = svg.getBoundingClientRect();
    return w && h ? Math.max(width / w, height / h) : 1;
  }

  function settle(svg) {
    const metres = scale(svg);
    for (const pin of svg.querySelectorAll(".pin")) {
      const at = pin.dataset.at;
      pin.setAttribute("transform", `translate(${at}) scale(${metres})`);
    }
    const zones = svg.querySelector(".zones");
    if (zones) zones.setAttribute("font-size", 15 * metres);
    svg.parentElement.dataset.view = svg.getAttribute("viewBox");
  }

  function zoom(svg, factor, clientX, clientY) {
    const [x, y, width, height] = box(svg);
    if (width * factor < 60 || width * factor > 1e6) return;
    const frame = svg.getBoundingClientRect();
    const metres = scale(svg);
    const middle = [x + width / 2, y + height / 2];
    const at = clientX === undefined ? middle : [middle[0] + (clientX - frame.left - frame.width / 2) * metres, middle[1] + (clientY - frame.top - frame.height / 2) * metres];
    svg.setAttribute("viewBox", [at[0] + (x - at[0]) * factor, at[1] + (y - at[1]) * factor, width * factor, height * factor].join(" "));
    settle(svg);
  }

  function start(holder, view) {
    const svg = holder.querySelector("svg");
    if (view) svg.setAttribute("viewBox", view);
    new ResizeObserver(() => settle(svg)).observe(svg);
    svg.addEventListener("wheel", (event) => { event.preventDefault(); zoom(svg, event.deltaY > 0 ? 1.2 : 1 / 1.2, event.clientX, event.clientY); }, { passive: false });
    for (const button of holder.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(svg, button.dataset.zoom === "in" ? 1 / 1.5 : 1.5));
    const fingers = new Map();
    svg.addEventListener("pointerdown", (event) => fingers.set(event.pointerId, [event.clientX, event.clientY]));
    const lift = (event) => fingers.delete(event.pointerId);
    svg.addEventListener("pointerup", lift);
    svg.addEventListener("pointercancel", lift);
    svg.addEventListener("pointerleave", lift);
    svg.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY];
      if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
        const distance = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]);
        zoom(svg, distance(before) / Math.max(1, distance(now)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else {
        const metres = scale(svg), [x, y, width, height] = box(svg);
        svg.setAttribute("viewBox", [x - (now[0] - before[0]) * metres, y - (now[1] - before[1]) * metres, width, height].join(" "));
        settle(svg);
      }
      fingers.set(event.pointerId, now);
    });
    settle(svg);
  }

  return { start };
})();
