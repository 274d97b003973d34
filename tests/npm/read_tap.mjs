// Reads TAP from standard input with npm's tap-parser and prints what it understood as JSON; fails on what is no TAP
// (a line that belongs to nothing, a plan that does not fit), not on tests that failed.
import { Parser } from 'tap-parser'

const points = []
const strange = []
const parser = new Parser({ strict: true }, results => {
  const broken = results.failures.filter(f => f.tapError)
  console.log(JSON.stringify({ version, plan: results.plan, points, strange, broken }))
  process.exitCode = strange.length || broken.length ? 1 : 0
})
let version = null
parser.on('version', v => { version = v })
parser.on('extra', line => strange.push(line))
parser.on('assert', a => points.push({ id: a.id, ok: a.ok, name: a.name, skip: a.skip, diag: a.diag }))
process.stdin.pipe(parser)
