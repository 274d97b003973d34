#!/usr/bin/env -S node --perf-basic-prof --interpreted-frames-native-stack --always-sparkplug --no-opt
// JavaScript that loses native memory: functions that only the perf map names, between those of the program and of V8's
// builtins. In one tier, so that each site has one stack.
const SIZES = [73001, 73002, 73003];
const kept = [];

function loseBuffer(size) { kept.push(Buffer.allocUnsafeSlow(size)); }
function plainSite() { loseBuffer(SIZES[0]); }
const arrowSite = () => { loseBuffer(SIZES[1]); };
class Session {
  open() { loseBuffer(SIZES[2]); }
}
function onceRound() { plainSite(); arrowSite(); new Session().open(); }

const says = (size, site) => console.log(`zoo ${size} exact *;*:^loseBuffer *;*:^${site} *;*:^onceRound *;*`);
says(SIZES[0], "plainSite");
says(SIZES[1], "arrowSite");
says(SIZES[2], "open");
setInterval(onceRound, 100);
