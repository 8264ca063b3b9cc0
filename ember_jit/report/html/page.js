"use strict";
// The report's script: selecting, filtering, the keyboard, zooming, colours.  Text of the program is only ever
// set as text, never as markup.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const calls = JSON.parse($("#data").textContent).calls;
  const byId = new Map(calls.map((call) => [call.id, call]));
  const idsOf = (element) => (element.dataset.id || "").split(" ").filter(Boolean);
  const rows = new Map($$("#list button").map((row) => [row.dataset.id, row]));
  const nodes = $$(".graph .node");
  const tasks = $$(".gantt .task");
  const sourceLines = new Map($$("#code-source .ln").map((line) => [line.dataset.line, line]));
  const idleDetails = [...($("#details")?.childNodes || [])];
  let selected = null;

  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // ---------------------------------------------------------------- the selected call
  const states = { ahead: "overlapped", inorder: "in order", helper: "helper" };
  const word = (text) => text.toLowerCase().replace(/[^a-z]+/g, "-");

  function links(ids) {
    const box = make("div", { class: "links" });
    for (const id of ids.slice(0, 60)) {
      const other = byId.get(id);
      const button = make("button", { type: "button", title: other.text }, `#${other.number} line ${other.line}`);
      button.addEventListener("click", () => select(id, "details"));
      box.append(button);
    }
    if (ids.length > 60) box.append(`and ${ids.length - 60} more`);
    return box;
  }

  function describe(call, others) {
    const marks = make("div", { class: "marks" },
      make("span", { class: `mark state-${call.state}` }, states[call.state]),
      make("span", { class: `mark effect-${word(call.effect)}` }, call.effect));
    if (call.critical !== null) marks.append(make("span", { class: "mark hot" }, "critical path"));
    const list = make("dl");
    const add = (term, value) => value && value !== "" && list.append(make("dt", {}, term), make("dd", {}, value));
    const itself = call.overlaps.includes(call.id);
    add("where", `${call.file}:${call.line}` + (call.number === null ? "" : `, call #${call.number}`));
    add("calls", call.receiver);
    add("effect", `${call.effect}: ${call.evidence}`);
    if (call.state === "ahead") add("starts early", `in region ${call.region}` + (itself ? "; its iterations overlap" : ""));
    if (call.overlaps.some((id) => id !== call.id)) add("may be in flight beside", links(call.overlaps.filter((id) => id !== call.id)));
    if (call.waits.length) add("waits for", links(call.waits));
    add(call.state === "ahead" ? "but" : "why it stays in order", call.why + (call.place ? ` (${call.place})` : ""));
    if (call.critical) add("on the critical path", call.critical);
    const parts = [make("h2", {}, make("code", {}, call.text)), marks, list];
    if (call.fix) parts.push(make("p", { class: "fix" }, call.fix));
    if (others.length) parts.push(make("p", { class: "hint" }, `and ${others.length} alike: `), links(others));
    $("#details").replaceChildren(...parts);
  }

  function select(id, from, others = []) {
    const call = byId.get(id);
    selected = call ? id : null;
    const all = new Set([id, ...others]);
    const near = new Set(call ? [...call.overlaps, ...call.waits] : []);
    for (const [key, row] of rows) {
      row.classList.toggle("selected", key === id);
      row.setAttribute("aria-pressed", String(key === id));
    }
    for (const node of nodes) {
      const mine = idsOf(node);
      node.classList.toggle("selected", mine.some((each) => all.has(each)));
      node.classList.toggle("near", !mine.some((each) => all.has(each)) && mine.some((each) => near.has(each)));
    }
    for (const graph of $$(".graph")) {
      const key = $(".node.selected", graph)?.dataset.key;
      graph.classList.toggle("has-selection", Boolean(key));
      for (const edge of $$(".edge", graph)) edge.classList.toggle("lit", Boolean(key) && (edge.dataset.from === key || edge.dataset.to === key));
    }
    for (const task of tasks) task.classList.toggle("selected", Boolean(id) && task.dataset.id === id);
    for (const line of $$(".ln.pinned")) line.classList.remove("pinned");
    if (!call) return $("#details").replaceChildren(...idleDetails);
    describe(call, others);
    for (const line of $$(`.ln[data-line="${call.line}"]`)) line.classList.add("pinned");
    reveal(call, from);
  }

  const within = (box, element) => {
    if (!box || !element || !box.offsetParent) return;
    const outer = box.getBoundingClientRect(), inner = element.getBoundingClientRect();
    if (inner.top < outer.top + 30 || inner.bottom > outer.bottom - 30) box.scrollTop += inner.top - outer.top - outer.height / 3;
  };
  function reveal(call, from) {
    if (from !== "list") within($("#list"), rows.get(call.id));
    for (const box of $$(".code")) if (from !== "source" || box.id !== "code-source") within(box, $(".pinned", box));
    if (from !== "graph") visible()?.show(call.id);
  }

  // ---------------------------------------------------------------- filters
  const search = $("#search");
  function filter() {
    const text = search.value.trim().toLowerCase();
    const state = $("input[name=state]:checked").value;
    const off = new Set($$(".pill[aria-pressed=false]").map((pill) => pill.dataset.effect));
    const shown = new Set();
    for (const call of calls) {
      const all = `${call.text} ${call.receiver} ${call.why} ${call.evidence} line ${call.line} #${call.number}`.toLowerCase();
      if ((state === "all" || call.state === state) && !off.has(call.effect) && all.includes(text)) shown.add(call.id);
    }
    for (const [id, row] of rows) row.parentElement.hidden = !shown.has(id);
    const every = shown.size === calls.length;
    for (const node of nodes) node.classList.toggle("out", !every && !idsOf(node).some((id) => shown.has(id)));
    for (const task of tasks) task.classList.toggle("out", !every && Boolean(task.dataset.id) && !shown.has(task.dataset.id));
    $("#shown").textContent = every ? `${calls.length} calls` : `${shown.size} of ${calls.length} calls`;
    if ($("#none")) $("#none").hidden = shown.size > 0;
    rove($$("#list button").filter((row) => !row.parentElement.hidden));
  }
  search.addEventListener("input", filter);
  for (const choice of $$("input[name=state]")) choice.addEventListener("change", filter);
  for (const pill of $$(".pill")) pill.addEventListener("click", () => {
    pill.setAttribute("aria-pressed", String(pill.getAttribute("aria-pressed") === "false"));
    filter();
  });

  // ---------------------------------------------------------------- one stop for Tab, arrows inside
  function rove(items) {
    const current = items.find((item) => item.tabIndex === 0 && item.classList.contains("selected"));
    for (const item of items) item.tabIndex = -1;
    if (items.length) (current || items[0]).tabIndex = 0;
  }
  function move(items, to) {
    if (!to) return;
    for (const item of items) item.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }
  const arrows = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
  function alongList(container, items) {
    container?.addEventListener("keydown", (event) => {
      const all = items().filter((item) => !item.closest("[hidden]"));
      const at = all.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (at < 0 || (step === undefined && event.key !== "Home" && event.key !== "End")) return;
      event.preventDefault();
      const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at + step;
      move(all, all[Math.max(0, Math.min(all.length - 1, to))]);
    });
  }
  function alongPlane(container, items) {
    container.addEventListener("keydown", (event) => {
      const at = document.activeElement, direction = arrows[event.key];
      if (!direction || !items().includes(at)) return;
      event.preventDefault();
      const middle = (item) => { const box = item.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
      const [x, y] = middle(at);
      let best = null, least = Infinity;
      for (const item of items()) {
        const [a, b] = middle(item), along = (a - x) * direction[0] + (b - y) * direction[1];
        const across = Math.abs((a - x) * direction[1]) + Math.abs((b - y) * direction[0]);
        if (item !== at && along > 1 && along + 2.5 * across < least) [best, least] = [item, along + 2.5 * across];
      }
      move(items(), best);
    });
  }
  const press = (element, action) => {
    element.addEventListener("click", action);
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); action(event); }
    });
  };

  for (const [id, row] of rows) row.addEventListener("click", () => select(id, "list"));
  alongList($("#list"), () => [...rows.values()]);

  const callsOnLine = (line) => calls.filter((call) => String(call.line) === line).map((call) => call.id);
  const callLines = [...sourceLines.values()].filter((line) => callsOnLine(line.dataset.line).length);
  for (const line of callLines) {
    line.setAttribute("role", "button");
    press(line, () => {
      const ids = callsOnLine(line.dataset.line);
      select(ids[(ids.indexOf(selected) + 1) % ids.length], "source");
    });
  }
  for (const line of sourceLines.values()) if (!callLines.includes(line)) line.removeAttribute("tabindex");
  rove(callLines);
  alongList($("#code-source"), () => callLines);
  for (const box of $$(".code")) {
    box.addEventListener("mouseover", (event) => {
      const number = event.target.closest(".ln")?.dataset.line;
      for (const line of $$(".ln.lit")) line.classList.remove("lit");
      if (number) for (const line of $$(`.ln[data-line="${number}"]`)) line.classList.add("lit");
    });
    box.addEventListener("mouseleave", () => $$(".ln.lit").forEach((line) => line.classList.remove("lit")));
    if (box.id !== "code-source") {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", "generated program");
      box.addEventListener("click", (event) => {
        const ids = callsOnLine(event.target.closest(".ln")?.dataset.line);
        if (ids.length) select(ids[0], "generated");
      });
    }
  }

  const tabs = $$("[role=tab]");
  for (const tab of tabs) tab.addEventListener("click", () => {
    for (const each of tabs) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
    within($(`#${tab.getAttribute("aria-controls")} .code`), $(`#${tab.getAttribute("aria-controls")} .pinned`));
  });
  alongList($("[role=tablist]"), () => tabs);

  for (const task of tasks) if (task.dataset.id) press(task, () => select(task.dataset.id, "run"));
  rove(tasks);
  if ($(".gantt")) alongPlane($(".gantt"), () => tasks);

  // ---------------------------------------------------------------- the graph: zoom, move, keyboard
  function viewOf(svg) {
    const [left, top, width, height] = svg.dataset.box.split(" ").map(Number);
    const mine = $$(".node", svg);
    let box = null;
    const apply = () => svg.setAttribute("viewBox", box.map((each) => each.toFixed(1)).join(" "));
    const size = () => { const area = svg.getBoundingClientRect(); return [area.width || 900, area.height || 500]; };
    // the middle of the uppermost row
    function topMiddle() {
      const at = mine.map((node) => node.transform.baseVal.getItem(0).matrix);
      const least = Math.min(...at.map((each) => each.f));
      const row = at.filter((each) => each.f === least).map((each) => each.e + 98);
      return row.reduce((sum, each) => sum + each, 0) / row.length;
    }
    function fit(all) {
      const [w, h] = size();
      // all of it; at first no smaller than can be read, from the top
      const scale = Math.min(w / width, h / height, 1.25), used = all ? scale : Math.max(scale, Math.min(0.62, w / 820));
      const middle = used > scale ? topMiddle() : left + width / 2;
      box = [middle - w / used / 2, used > scale ? top : top + height / 2 - h / used / 2, w / used, h / used];
      apply();
    }
    function zoom(factor, x = box[0] + box[2] / 2, y = box[1] + box[3] / 2) {
      const scale = Math.max(0.2, Math.min(factor, 5)), wide = box[2] / scale;
      if (wide < 180 || wide > 40 * Math.max(width, 1000)) return;
      box = [x - (x - box[0]) / scale, y - (y - box[1]) / scale, wide, box[3] / scale];
      apply();
    }
    function show(id) {
      const node = mine.find((each) => idsOf(each).includes(id));
      if (!node || !box || !svg.getClientRects().length) return;
      const at = node.transform.baseVal.getItem(0).matrix;
      const inside = at.e > box[0] && at.e + 200 < box[0] + box[2] && at.f > box[1] && at.f + 50 < box[1] + box[3];
      if (!inside) { box[0] = at.e + 98 - box[2] / 2; box[1] = at.f + 24 - box[3] / 2; apply(); }
    }
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement?.closest(".graph") !== svg) return;
      event.preventDefault();
      const area = svg.getBoundingClientRect();
      const x = box[0] + ((event.clientX - area.left) / area.width) * box[2], y = box[1] + ((event.clientY - area.top) / area.height) * box[3];
      zoom(Math.exp(-event.deltaY / 400), x, y);
    }, { passive: false });
    let grip = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button === 0) grip = { x: event.clientX, y: event.clientY, box: [...box], moved: false };
    });
    svg.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const dx = event.clientX - grip.x, dy = event.clientY - grip.y;
      if (!grip.moved && Math.hypot(dx, dy) < 4) return;
      if (!grip.moved) { grip.moved = true; svg.setPointerCapture(event.pointerId); svg.classList.add("moving"); }
      const area = svg.getBoundingClientRect();
      box = [grip.box[0] - (dx / area.width) * box[2], grip.box[1] - (dy / area.height) * box[3], box[2], box[3]];
      apply();
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { grip = null; svg.classList.remove("moving"); });
    svg.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") zoom(1.25);
      else if (event.key === "-") zoom(0.8);
      else if (event.key === "0") fit(true);
    });
    svg.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) show(idsOf(event.target)[0]); });
    for (const node of mine) press(node, () => {
      const [id, ...others] = idsOf(node);
      if (byId.has(id)) select(id, "graph", others);
      else barrier(node);
    });
    rove(mine);
    alongPlane(svg, () => mine);
    fit(false);
    return { svg, fit, zoom, show };
  }
  function barrier(node) {
    select(null);
    node.classList.add("selected");
    $("#details").replaceChildren(
      make("h2", {}, make("code", {}, $("title", node).textContent)),
      make("p", { class: "hint" }, "A barrier: it has effects, so everything outstanding is joined first, and what follows starts after it. The table “What stays in order” says why."));
  }
  // a view is made when its picture is first shown, since it has no size before
  const views = new Map();
  function visible() {
    const svg = $$(".graph").find((each) => !each.closest("[hidden]"));
    if (svg && !views.has(svg)) views.set(svg, viewOf(svg));
    return views.get(svg);
  }
  visible();
  $("#zoom-in")?.addEventListener("click", () => visible().zoom(1.3));
  $("#zoom-out")?.addEventListener("click", () => visible().zoom(1 / 1.3));
  $("#zoom-fit")?.addEventListener("click", () => visible().fit(true));
  $("#fold")?.addEventListener("click", (event) => {
    const folded = event.currentTarget.getAttribute("aria-pressed") === "false";
    event.currentTarget.setAttribute("aria-pressed", String(folded));
    $("#view-folded").hidden = !folded;
    $("#view-whole").hidden = folded;
    visible();
    if (selected) select(selected);
  });

  // ---------------------------------------------------------------- colours, keys
  const themes = ["auto", "light", "dark"];
  const theme = $("#theme");
  let at = 0;
  const remembered = (value) => {
    try { return value === undefined ? localStorage.getItem("ember-jit-theme") : localStorage.setItem("ember-jit-theme", value); }
    catch { return null; }  // a page from a file may have no storage
  };
  function paint() {
    const name = themes[at];
    if (name === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = name;
    theme.textContent = name[0].toUpperCase() + name.slice(1);
    theme.setAttribute("aria-label", `colours: ${name === "auto" ? "automatic" : name}`);
  }
  theme.addEventListener("click", () => { at = (at + 1) % themes.length; remembered(themes[at]); paint(); });
  at = Math.max(0, themes.indexOf(remembered()));
  paint();

  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input[type=search]")) { event.preventDefault(); search.focus(); search.select(); }
    if (event.key === "Escape") { if (event.target === search && search.value) { search.value = ""; filter(); } else select(null); }
  });
  filter();
  document.documentElement.dataset.ready = "true";
})();
