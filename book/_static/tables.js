// A wide table breaks the lines of its cells (report.css). An interval stays in one piece. Plain script, no network.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const inBrackets = /[[(][^\])]*[\])]/g;
  document.querySelectorAll(".dnakit-table td:not(.dnakit-long)").forEach((cell) => {
    if (cell.childElementCount === 0) {
      cell.textContent = cell.textContent.replace(inBrackets, (interval) => interval.replace(/ /g, "\u00a0"));
    }
  });
});
