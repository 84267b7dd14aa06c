// A wide table breaks the lines of its cells (report.css). An interval stays in one piece. A table that is wider than its
// frame even so gets smaller letters. Plain script, no network.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const interval = /[[(][^\])]*[\])]|-?[\d.,]+%? to -?[\d.,]+%?/g;
  document.querySelectorAll(".dnakit-table td:not(.long)").forEach((cell) => {
    if (cell.childElementCount === 0) {
      cell.textContent = cell.textContent.replace(interval, (found) => found.replace(/ /g, "\u00a0"));
    }
  });
  document.querySelectorAll(".dnakit-scroll").forEach((frame) => {
    const table = frame.querySelector(".dnakit-table");
    if (table && frame.scrollWidth > frame.clientWidth) {
      table.classList.add("dnakit-tight");
    }
  });
});
