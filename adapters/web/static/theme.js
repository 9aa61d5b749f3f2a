// Before the first paint: the reader's own choice of light or dark, else the system's.
"use strict";
(() => {
  const root = document.documentElement;
  if (root.dataset.theme) return;
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* private mode: the system's choice */ }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = kept || (dark ? "dark" : "light");
})();
