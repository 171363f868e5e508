// Prints, by tag, what hdr-histogram-js finds in an interval log.
"use strict";
const fs = require("fs");
const hdr = require("hdr-histogram-js");

const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[2], "utf8"));
const tags = {};
for (let h = reader.nextIntervalHistogram(); h; h = reader.nextIntervalHistogram()) {
  const sum = (tags[h.tag] ??= {
    intervals: 0,
    all: hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: 4e12, numberOfSignificantValueDigits: 4, bitBucketSize: 64 }),
  });
  sum.intervals++;
  sum.all.add(h);
}
const out = {};
for (const [tag, { intervals, all }] of Object.entries(tags)) {
  const at = (p) => all.getValueAtPercentile(p);
  out[tag] = { Intervals: intervals, Count: all.totalCount, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9) };
}
console.log(JSON.stringify(out));
