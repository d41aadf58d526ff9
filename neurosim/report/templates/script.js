"use strict";
(() => {
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  const source = document.getElementById("map-data");
  if (!source) return;
  const { cores, loads, samples } = JSON.parse(source.textContent);
  const say = (n, digits = 1) => Number(n).toLocaleString("en", { maximumFractionDigits: digits });
  const share = (n, limit) => `${say(n)} of ${say(limit)}`;
  const text = (id, words) => { document.getElementById(id).textContent = words; };

  // Floor plan: what is known about a core.
  const aboutCore = (i) =>
    `core ${cores.name[i]}, ${cores.layers[i]}: axons ${share(cores.axons[i], cores.limits[0])}, ` +
    `neurons ${share(cores.neurons[i], cores.limits[1])}, synapses ${share(cores.synapses[i], cores.limits[2])}; ` +
    `per inference ${say(cores.events[i] / samples)} events, ${say(cores.packets[i] / samples)} packets, ` +
    `${say(cores.energy_pj[i] / samples / 1000, 3)} nJ without static power`;

  // Heat map: loads of the chosen ticks, of all of them at position 0.
  const sum = (rows, n) => rows.reduce((total, row) => total.map((v, i) => v + row[i]), new Array(n).fill(0));
  const all = { bits: sum(loads.bits, loads.links.length), cycles: sum(loads.cycles, cores.name.length), span: loads.spans.reduce((a, b) => a + b, 0) };
  const most = (rows) => rows.reduce((best, row) => row.reduce((a, b) => Math.max(a, b), best), 0);
  const peak = { bits: most(loads.bits), cycles: most(loads.cycles) };
  const links = [...document.querySelectorAll("#heat [data-link]")];
  const heated = [...document.querySelectorAll("#heat [data-core]")];
  const level = (value, top) => (value > 0 ? Math.max(1, Math.ceil(7 * value / top)) : 0);
  let now = all;
  const paint = (element, value, top) => {
    for (let q = 0; q < 8; q += 1) element.classList.toggle(`q${q}`, q === level(value, top));
  };
  const slider = document.getElementById("tick");
  const show = () => {
    const at = Number(slider.value) - 1;
    now = at < 0 ? all : { bits: loads.bits[at], cycles: loads.cycles[at], span: loads.spans[at] };
    const top = at < 0 ? { bits: most([all.bits]), cycles: most([all.cycles]) } : peak;
    links.forEach((e) => paint(e, now.bits[Number(e.dataset.link)], top.bits));
    heated.forEach((e) => paint(e, now.cycles[Number(e.dataset.core)], top.cycles));
    const name = at < 0 ? "all ticks" : loads.ticks[at];
    text("tick-name", name);
    slider.setAttribute("aria-valuetext", name);
    text("most-bits", `${say(top.bits / samples)} bits per inference`);
    const busiest = now.bits.indexOf(Math.max(...now.bits));
    text("load-facts", now.bits[busiest] > 0
      ? `busiest link of ${name}: ${aboutLink(busiest)}` : `${name}: no packet is on a link`);
  };
  const ofTime = (cycles) => (now.span > 0 ? `${say(100 * cycles / now.span)} % of the time` : "no time");
  const aboutLink = (i) => `${loads.links[i]}, ${say(now.bits[i] / samples)} bits per inference, ` +
    `in use for ${ofTime(now.bits[i] / loads.widths[i])}`;
  const aboutLoad = (e) => ("link" in e.dataset
    ? `link ${aboutLink(Number(e.dataset.link))}`
    : `core ${cores.name[e.dataset.core]}, ${cores.layers[e.dataset.core]}: busy for ${say(now.cycles[e.dataset.core] / samples)} cycles per inference, ${ofTime(now.cycles[e.dataset.core])}`);
  // Said here once instead of in every element: a large chip has tens of thousands.
  const describe = (e, words) => {
    e.setAttribute("tabindex", "-1");
    e.setAttribute("role", "img");
    e.setAttribute("aria-label", words);
  };
  links.forEach((e) => describe(e, `link ${loads.links[e.dataset.link]}`));
  heated.forEach((e) => describe(e, `core ${cores.name[e.dataset.core]}: ${cores.layers[e.dataset.core]}`));
  slider.addEventListener("input", show);
  show();

  // Pointing, and arrow keys: one element of a drawing takes part in the order of Tab.
  const reachable = (id, output, about) => {
    const parts = [...document.querySelectorAll(`#${id} [tabindex]`)];
    if (!parts.length) return;
    parts[0].tabIndex = 0;
    const tell = (event) => {
      const part = event.target.closest("[data-core], [data-link]");
      if (part) text(output, about(part));
    };
    const drawing = document.getElementById(id);
    drawing.addEventListener("pointerover", tell);
    drawing.addEventListener("focusin", tell);
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const at = parts.indexOf(event.target);
      if (!step || at < 0) return;
      event.preventDefault();
      const next = parts[(at + step + parts.length) % parts.length];
      parts[at].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  };
  reachable("plan", "plan-facts", (e) => aboutCore(Number(e.dataset.core)));
  reachable("heat", "load-facts", aboutLoad);
})();
