// Keeps the page true: listens for news, asks for the parts that changed, and lets the keyboard do everything.
"use strict";

(() => {
  if (!("live" in document.body.dataset)) return;
  const root = document.documentElement;
  const $ = (query, inside = document) => inside.querySelector(query);
  const $$ = (query, inside = document) => [...inside.querySelectorAll(query)];
  const list = $("[data-list]"), detail = $("[data-detail]");
  let version = root.dataset.version, heard = Date.now(), queue = Promise.resolve();
  let query = location.search;

  // ---------------------------------------------------------------------------------------------------- parts of pages

  async function part(address) {
    const answer = await fetch(address, { headers: { "x-part": "1" }, cache: "no-store" });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(await answer.text(), { cause: answer.status });
    return answer.text();
  }

  /** Put news into a container, section by section; what somebody is writing in, and what cannot be read now, stays as it is. */
  function renew(container, html) {
    const next = document.createElement("template");
    next.innerHTML = html;
    for (const fresh of $$("[data-part]", next.content)) {
      const old = $(`[data-part="${fresh.dataset.part}"]`, container);
      if (!old) return void replace(container, html);
      if ("away" in fresh.dataset) continue;
      for (const fold of $$("[data-fold][open]", old)) $(`[data-fold="${fold.dataset.fold}"]`, fresh)?.setAttribute("open", "");
      if (old.outerHTML === fresh.outerHTML) continue;
      if ($("[data-act][open]", old) || (old.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"))) continue;
      const focused = old.contains(document.activeElement) && document.activeElement.closest("[id]");
      const known = new Set($$("[id]", old).map((one) => one.id));
      const scrolled = old.scrollTop, view = $("[data-map]", old)?.dataset.view;
      old.replaceWith(fresh);
      fresh.scrollTop = scrolled;
      if (fresh.dataset.part === "rows" && known.size) for (const row of $$(".row", fresh)) row.classList.toggle("fresh", !known.has(row.id));
      if (focused) document.getElementById(focused.id)?.querySelector("a")?.focus({ preventScroll: true });
      for (const map of $$("[data-map]", fresh)) CityMap.start(map, view);
    }
    const article = $("[data-alert]", next.content), shown = $("[data-alert]", container);
    if (article && shown) { shown.className = article.className; shown.dataset.state = article.dataset.state; }
  }

  function replace(container, html) {
    container.innerHTML = html;
    container.scrollTop = 0;
    for (const map of $$("[data-map]", container)) CityMap.start(map);
    for (const plots of $$("[data-traces]", container)) load(plots);
  }

  const shownAlert = () => $("[data-alert]")?.dataset.alert;

  function markChosen() {
    const id = shownAlert();
    for (const row of $$(".row")) row.classList.toggle("chosen", row.id === `a-${id}`);
    document.body.classList.toggle("opened", Boolean(id));
  }

  /** One renewal at a time; several wishes meanwhile are one more. */
  let wanted = false;
  function refresh() {
    if (wanted) return;
    wanted = true;
    queue = queue.then(async () => {
      wanted = false;
      try {
        if (list) { renew(list, await part("/parts/list" + query)); markChosen(); }
        if (detail) await renewDetail();
        const map = $("[data-map-page]");
        if (map) renew(map, await part("/parts/map" + query));
        title();
      } catch (error) { console.warn(error); }
    });
  }

  /** What was asked for may not be what is shown any more when it comes: somebody has opened another alert meanwhile. */
  async function renewDetail() {
    const id = shownAlert();
    const html = await part(id ? `/parts/alert/${id}` : "/parts/map" + query);
    if (shownAlert() !== id) return;
    renew(detail, html);
    if (id) for (const plots of $$("[data-traces]", detail)) load(plots, true);
  }

  function title() {
    const fresh = $$(".row.new, .row.gone").length;
    document.title = document.title.replace(/^(\(\d+\) )?/, fresh ? `(${fresh}) ` : "");
  }

  // ------------------------------------------------------------------------------------------------------- going about

  /** A click and a key may both want the same alert: it is loaded once, or the second would wipe out what the first began. */
  let opening = null;
  function open(id, push = true) {
    if (opening?.id !== id) opening = { id, done: show(id, push).finally(() => { opening = null; }) };
    return opening.done;
  }

  async function show(id, push) {
    const html = await part(`/parts/alert/${id}`);
    if (shownAlert() === id) renew(detail, html); else replace(detail, html);
    if (push) history.pushState({}, "", `/alerts/${id}${query}`);
    markChosen();
    $(".row.chosen")?.closest("[data-fold]")?.setAttribute("open", "");
    if (matchMedia("(max-width: 820px)").matches) scrollTo(0, 0);
  }

  async function leave(push = true) {
    replace(detail, await part("/parts/map" + query));
    if (push) history.pushState({}, "", "/" + query);
    markChosen();
  }

  async function filter(search, push = true) {
    query = search;
    renew(list, await part("/parts/list" + query));
    if (push) history.pushState({}, "", (shownAlert() ? `/alerts/${shownAlert()}` : "/") + query);
    if (!shownAlert() && detail) await renewDetail();
    markChosen();
  }

  addEventListener("popstate", () => {
    if (!detail) return location.reload();
    const id = location.pathname.match(/^\/alerts\/(.+)$/)?.[1];
    filter(location.search, false).then(() => (id ? open(id, false) : leave(false))).catch(say);
  });

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a");
    for (const one of $$("[data-act][open]")) if (!one.contains(event.target)) one.open = false;
    if (!link || !detail) return;
    if (link.dataset.open) { event.preventDefault(); open(link.dataset.open).catch(say); }
    else if ("filter" in link.dataset) { event.preventDefault(); filter(new URL(link.href).search).catch(say); }
    else if ("back" in link.dataset) { event.preventDefault(); leave().catch(say); }
  });

  let typing;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-filters]");
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const values = new URLSearchParams(query);
      for (const [name, value] of new FormData(form)) if (!["shelf", "level"].includes(name)) value ? values.set(name, value) : values.delete(name);
      filter(values.size ? "?" + values : "").catch(say);
    }, 200);
  });

  document.addEventListener("mouseover", (event) => {
    const id = event.target.closest?.(".row a")?.dataset.open;
    for (const pin of $$(".pin.lit")) pin.classList.remove("lit");
    if (id) for (const pin of $$(`.pin[data-open="${id}"]`)) pin.classList.add("lit");
  });

  // ------------------------------------------------------------------------------------------------------------- acting

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-filters]")) return event.preventDefault();
    if (new URL(form.action).pathname !== "/actions") return;
    event.preventDefault();
    const buttons = $$("button", form);
    for (const button of buttons) button.disabled = true;
    try {
      const answer = await fetch("/actions", { method: "POST", headers: { "x-part": "1" }, body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok) throw new Error(await answer.text());
      const around = form.closest("details[data-act]");
      if (around) around.open = false;
      form.reset();
      document.activeElement?.blur();
      if (detail) refresh(); else location.reload();
    } catch (error) { say(error); }
    for (const button of buttons) button.disabled = false;
  });

  let hiding;
  function say(error) {
    const toast = $("#toast");
    toast.textContent = `${toast.dataset.trouble}: ${error.message || error}`;
    toast.classList.add("shown");
    clearTimeout(hiding);
    hiding = setTimeout(() => toast.classList.remove("shown"), 6000);
  }

  // --------------------------------------------------------------------------------------------------------------- keys

  function step(by) {
    const rows = $$(".row a").filter((row) => !row.closest("details:not([open])"));
    if (!rows.length) return;
    const at = rows.findIndex((row) => row === document.activeElement);
    const chosen = rows.findIndex((row) => row.parentElement.classList.contains("chosen"));
    const from = at >= 0 ? at : chosen;
    const next = rows[Math.max(0, Math.min(rows.length - 1, from < 0 ? 0 : from + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    if (chosen >= 0) open(next.dataset.open).then(() => next.focus()).catch(say);
  }

  /** Acts on the alert that is shown, else on the one that the keyboard has chosen. */
  async function act(name) {
    const focused = document.activeElement?.dataset?.open;
    if (opening) await opening.done;
    else if (!shownAlert() && focused) await open(focused);
    const place = $(`[data-alert] [data-act="${name}"]`);
    if (!place) throw new Error($("#toast").dataset.nothing);
    if (place.tagName === "FORM") return place.requestSubmit();
    place.open = !place.open;
    if (place.open) $("input:not([type=hidden]), textarea, select", place)?.focus();
  }

  const places = { d: "/", m: "/map", s: "/sensors", l: "/load", f: "/feed" };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input, textarea, select");
    if (event.key === "Escape") {
      if ($("#keys").open) return;
      const opened = $("[data-act][open]");
      if (opened) { opened.open = false; return; }
      if (writing) return event.target.blur();
      if (shownAlert() && detail) leave().catch(say);
      return;
    }
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key;
    if (Date.now() - going < 1200 && places[key]) { going = 0; location.href = places[key]; return event.preventDefault(); }
    going = 0;
    const keys = {
      j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
      g: () => { going = Date.now(); }, "?": () => $("#keys").showModal(), m: () => $("[data-sound]").click(),
      "/": () => { const box = $("[data-search]"); box?.focus(); box?.select(); },
      a: () => act("acknowledge"), s: () => act("shelve"), c: () => act("comment"), x: () => act("close"),
      t: () => act("judge-true"), n: () => act("judge-false"), d: () => act("case"),
    };
    if ("0123456789".includes(key) && list) {
      const values = new URLSearchParams(query);
      if (key === "0") values.delete("level"); else values.set("level", key);
      filter(values.size ? "?" + values : "").catch(say);
    } else if (keys[key]) {
      if (key.startsWith("Arrow") && !list) return;
      event.preventDefault();
      Promise.resolve(keys[key]()).catch(say);
    }
  });
  $("[data-keys]")?.addEventListener("click", () => $("#keys").showModal());
  $("#keys").addEventListener("click", (event) => { if (event.target.id === "keys") event.target.close(); });

  // -------------------------------------------------------------------------------------------------------------- plots

  const drawn = new WeakMap();
  async function load(container, quiet = false) {
    try {
      const data = JSON.parse(await part(container.dataset.traces));
      drawn.set(container, data);
      Plot.draw(container, data);
      container.dataset.drawn = Date.now();
    } catch (error) {
      if (!quiet) container.firstElementChild.textContent = error.cause === 503 ? container.dataset.unread : error.message;
    }
  }
  let resizing;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => { for (const one of $$("[data-traces]")) if (drawn.has(one)) Plot.draw(one, drawn.get(one)); }, 150);
  });
  // Of what still goes on, new readings come in without news of the alert.
  setInterval(() => {
    if (document.hidden || !live || !$("#away").hidden) return;
    for (const one of $$("[data-traces]")) if (Date.now() - (one.dataset.drawn || 0) > 5000 && !$(".cleared, .closed, .withdrawn", one.closest("article")?.parentElement || document.createElement("i"))) load(one, true);
  }, 1000);

  // --------------------------------------------------------------------------------------------------------------- news

  // The city's clock may be another than this machine's.
  let live = !("recording" in root.dataset), present = Number(root.dataset.present);
  function listen() {
    const source = new EventSource("/events");
    source.onmessage = (event) => {
      const word = JSON.parse(event.data);
      heard = Date.now();
      ({ live, present } = word);
      $("#offline").hidden = true;
      const back = !$("#away").hidden && !word.trouble;
      $("#away").hidden = !word.trouble;
      const lag = $("[data-lag]");
      if (live && word.lag !== null) { lag.textContent = `${lag.dataset.words} ${word.lag < 100 ? word.lag.toFixed(0) + " s" : (word.lag / 60).toFixed(0) + " min"}`; lag.classList.toggle("late", word.lag > 60); }
      // A page of its own is loaded again while something waits on it.
      if (!list && $(".waiting:not(.refused)") && !$("[data-act][open]")) setTimeout(() => location.reload(), 1000);
      if (word.new.some((one) => one.level === 1)) ring();
      if (String(word.version) !== version || word.changed.length || back) { version = String(word.version); refresh(); }
      if (back) again();
    };
    // Refused for good: signed out, perhaps. To ask for a part leads to the sign-in then.
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(() => { refresh(); listen(); }, 2000); };
  }

  /** Figures grow old as well: a page of them is asked for again, unless somebody is at work on it. */
  async function again() {
    const main = $("main[data-renewed]");
    if (!main || document.hidden || main.contains(document.activeElement) || getSelection().toString()) return;
    try {
      const page = new DOMParser().parseFromString(await part(location.pathname + location.search), "text/html");
      const fresh = $("main[data-renewed]", page);
      if (fresh) main.replaceChildren(...fresh.childNodes);
    } catch (error) { console.warn(error); }
  }

  let third = 0;
  function tick() {
    const clock = $("[data-clock]");
    clock.textContent = new Intl.DateTimeFormat("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(present + (live ? Date.now() - heard : 0));
    $("#offline").hidden = Date.now() - heard < 8000;
    // Ages grow without news: three times a minute is often enough.
    const now20 = Math.floor(Date.now() / 20000);
    if (now20 !== third) { if (third && live) list ? refresh() : again(); third = now20; }
  }
  setInterval(tick, 1000);
  tick();

  // -------------------------------------------------------------------------------------------------------------- sound

  const sound = $("[data-sound]");
  let player;
  const wishes = () => { try { return localStorage.getItem("sound") === "on"; } catch { return false; } };
  function ring() {
    if (!wishes() || !player) return;
    [880, 660, 880].forEach((pitch, i) => {
      const tone = player.createOscillator(), volume = player.createGain(), at = player.currentTime + i * .22;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(.12, at + .02);
      volume.gain.linearRampToValueAtTime(0, at + .18);
      tone.connect(volume).connect(player.destination);
      tone.start(at); tone.stop(at + .2);
    });
  }
  // Browsers let a page sound only after somebody has touched it.
  addEventListener("pointerdown", () => { player ??= new AudioContext(); }, { once: true });
  addEventListener("keydown", () => { player ??= new AudioContext(); }, { once: true });
  sound.setAttribute("aria-pressed", wishes());
  sound.addEventListener("click", () => {
    try { localStorage.setItem("sound", wishes() ? "off" : "on"); } catch { return; }
    sound.setAttribute("aria-pressed", wishes());
    ring();
  });

  // -------------------------------------------------------------------------------------------------------------- begin

  for (const map of $$("[data-map]")) CityMap.start(map);
  for (const plots of $$("[data-traces]")) load(plots);
  title();
  listen();
})();
