// Renews the page's parts each second, and keeps the list of piles to the rows in sight.
"use strict";
(() => {
  const body = document.body;
  const view = body.dataset.view, lang = body.dataset.lang;
  const EVERY_MS = 1000, SPARE = 12;
  let version = Number(body.dataset.version), busy = false, width = innerWidth;

  const $ = (id) => document.getElementById(id);
  const list = $("piles"), rows = $("rows");

  // Whoever reads on keeps the place: what is open, how far it is scrolled, where the keyboard is.
  const REACH = "summary, a, button, [tabindex]";
  const shown = new Map();
  function put(place, html) {
    const open = place.querySelector("details[open]") !== null;
    const scrolled = [...place.querySelectorAll(".scroll")].map((e) => [e.scrollLeft, e.scrollTop]);
    const held = [...place.querySelectorAll(REACH)].indexOf(document.activeElement);
    place.innerHTML = html;
    shown.set(place, html);
    if (open) place.querySelectorAll("details").forEach((d) => { d.open = true; });
    place.querySelectorAll(".scroll").forEach((e, k) => {
      if (scrolled[k]) [e.scrollLeft, e.scrollTop] = scrolled[k];
    });
    if (held >= 0) place.querySelectorAll(REACH)[held]?.focus({ preventScroll: true });
  }

  function chartWidth() {
    const place = document.querySelector('[data-part="power"]');
    return Math.min(Math.max(place ? place.clientWidth : 900, 200), 4000);
  }

  async function renew() {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const query = new URLSearchParams({ lang, width: chartWidth(), since: version });
      const answer = await fetch(`/parts/${view}?${query}`, { cache: "no-store" });
      if (answer.status === 200) {
        const told = await answer.json();
        version = told.version;
        body.dataset.version = version;
        for (const [name, html] of Object.entries(told.parts)) {
          const place = document.querySelector(`[data-part="${name}"]`);
          if (place && shown.get(place) !== html) put(place, html);
        }
        if (list) await fetchRows();
        body.dataset.renewed = "yes";
      }
      body.classList.remove("lost");
    } catch {
      body.classList.add("lost");
    } finally {
      busy = false;
    }
  }

  // The list: as many rows as are in sight, and a few more, between two empty ones of the rest.
  function rowHeight() {
    return parseFloat(getComputedStyle(list).getPropertyValue("--row")) || 44;
  }
  let asked = 0;
  async function fetchRows() {
    const high = rowHeight(), me = ++asked;
    const limit = Math.min(Math.ceil(list.clientHeight / high) + 2 * SPARE, 200);
    const offset = Math.max(Math.floor(list.scrollTop / high) - SPARE, 0);
    const query = new URLSearchParams({
      lang, offset, limit, search: $("search").value, show: $("show").value, sort: $("sort").value,
    });
    const answer = await fetch(`/rows?${query}`, { cache: "no-store" });
    if (!answer.ok || me !== asked) return;
    const told = await answer.json();
    const at = told.offset, below = Math.max(told.total - at - told.count, 0);
    const gap = (n) => n ? `<tr class="gap" aria-hidden="true"><td colspan="6" style="height:${n * high}px"></td></tr>` : "";
    rows.innerHTML = gap(at) + told.rows + gap(below);
    rows.dataset.total = told.total;
    rows.dataset.offset = at;
    rows.parentElement.setAttribute("aria-rowcount", told.total + 1);
    $("count").textContent = $("count").dataset.words.replace("{0}", told.total);
  }

  function soon(work, ms) {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(work, ms); };
  }

  if (list) {
    $("filter").addEventListener("submit", (event) => event.preventDefault());
    const again = soon(fetchRows, 40);
    list.addEventListener("scroll", again, { passive: true });
    $("search").addEventListener("input", () => { list.scrollTop = 0; again(); });
    for (const id of ["show", "sort"]) $(id).addEventListener("change", () => { list.scrollTop = 0; again(); });
    fetchRows();
  }

  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not kept in private mode */ }
  });

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(input|select|textarea)$/i.test(event.target.tagName)) return;
    const links = document.querySelectorAll("nav a");
    if ("123".includes(event.key)) links[Number(event.key) - 1].click();
    else if (event.key === "/" && $("search")) { event.preventDefault(); $("search").focus(); }
    else if (event.key === "t") $("theme").click();
    else if (event.key === "l") $("language").click();
  });

  addEventListener("resize", soon(() => { if (innerWidth !== width) { width = innerWidth; version = 0; renew(); } }, 200));
  addEventListener("visibilitychange", renew);
  // The charts that came with the page were drawn before its width was known.
  version = 0;
  renew();
  setInterval(renew, EVERY_MS);
})();
