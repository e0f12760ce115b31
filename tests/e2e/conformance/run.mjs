// Runs the public HTTP cache suite against a base address, and prints one line of JSON a test.
//
//   node run.mjs FOLDER-OF-THE-SUITE BASE-ADDRESS [ID,ID…]
//
// With ids only those run, and say what they send and get. A client is handed to the suite: Node's own `fetch` adds
// fields of its own to a request, which the tests would take for the test's.
import http from 'node:http'
import { pathToFileURL } from 'node:url'

const [folder, base, only] = process.argv.slice(2)
const load = name => import(pathToFileURL(`${folder}/${name}`))

// Tests that run at once: most of them wait three seconds for something to become stale.
const AT_ONCE = 60
const PATIENCE_MS = 20_000

class Fields {
  constructor (fields) {
    this.fields = new Map(Object.entries(fields).map(([name, value]) => [name, [value].flat().join(', ')]))
  }

  get (name) { return this.fields.get(name.toLowerCase()) ?? null }
  has (name) { return this.fields.has(name.toLowerCase()) }
  forEach (call) { this.fields.forEach((value, name) => call(value, name)) }
  [Symbol.iterator] () { return this.fields.entries() }
}

// Asks once, and follows nothing: redirects are answers too.
function ask (url, { method = 'GET', headers = [], body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent: false, timeout: PATIENCE_MS })
    for (const name of new Set(headers.map(([name]) => name.toLowerCase()))) {
      const values = headers.filter(([known]) => known.toLowerCase() === name).map(([, value]) => value)
      request.setHeader(name, values.length > 1 ? values : values[0])
    }
    if (!request.hasHeader('accept')) request.setHeader('accept', '*/*')
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', reject)
    request.on('response', response => {
      const chunks = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({
        status: response.statusCode,
        statusText: response.statusMessage,
        headers: new Fields(response.headers),
        text: async () => Buffer.concat(chunks).toString()
      }))
    })
    request.end(body)
  })
}

const { runTests, getResults } = await load('client/runner.mjs')
const suites = (await load('tests/index.mjs')).default
if (only) {
  const wanted = only.split(',')
  for (const suite of suites) {
    suite.tests = suite.tests.filter(test => wanted.includes(test.id)).map(test => ({ ...test, dump: true }))
  }
}
await runTests(suites, ask, false, base, AT_ONCE)
const results = getResults()
for (const suite of suites) {
  for (const { id, name, kind = 'required', depends_on: needs = [] } of suite.tests) {
    if (!(id in results)) continue
    const [fault, said] = results[id] === true ? [null, null] : results[id]
    console.log(JSON.stringify({ suite: suite.name, id, name, kind, needs, fault, said }))
  }
}
