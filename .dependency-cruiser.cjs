// The dependency rule: cli -> app -> http -> flow -> steps -> {rendition, image, access, errors, api, db, concurrency}, and who may know which package. Only
// src/adapters/ knows the adapters of the steps; everybody else knows their contracts.

const STEPS = ['receive', 'store', 'record', 'queue', 'process', 'publish', 'accounts']
const STEP = `^src/(${STEPS.join('|')})/`
const BASE = '^src/((image|file-name|errors|error-codes|access|config|log|failpoints|new-id)[.]ts$|(api|concurrency|config|rendition)/)'

/** Within src, what lies in `from` may depend only on itself and on `to`; type imports count. */
const layer = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [from, ...to] },
})

/** Only what lies in `users` may depend on a package or a built-in module. */
const knownOnlyTo = (name, modules, users) => ({
  name,
  severity: 'error',
  from: { path: '^src/', pathNot: users },
  to: { path: modules },
})

const packages = (...names) => names.map((name) => `node_modules/${name}/`)

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'A circle has no first file to read.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^node:' },
    },
    {
      name: 'not-to-dev-dependency',
      comment: 'What the server runs on is listed in dependencies.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    layer('errors-on-their-own', '^src/(errors|error-codes)[.]ts$', [], 'The error codes depend on nothing.'),
    layer('base-knows-no-step', '^src/(image|file-name|access|log)[.]ts$', [BASE], 'What travels does not know who carries it.'),
    layer('concurrency-knows-nothing', '^src/concurrency/', [], 'Waiting in line has nothing to do with what waits.'),
    layer(
      'api-knows-what-travels',
      '^src/api/',
      ['^src/(access|errors|error-codes|image|file-name)[.]ts$'],
      'The wire is for clients too, which have nothing else of the server.',
    ),
    {
      name: 'api-needs-only-zod',
      severity: 'error',
      from: { path: '^src/api/' },
      to: { pathNot: ['^src/', ...packages('zod')] },
    },
    layer(
      'config-knows-errors',
      '^src/config([.]ts$|/)',
      ['^src/(errors|error-codes)[.]ts$'],
      'Settings are read before anything else is.',
    ),
    layer(
      'rendition-is-pure',
      '^src/rendition/',
      ['^src/image[.]ts$'],
      'What is to be made of an original is said without doing anything.',
    ),
    {
      name: 'rendition-does-no-io',
      severity: 'error',
      from: { path: '^src/rendition/' },
      to: { pathNot: '^(src/|(node:)?crypto$)' },
    },
    layer(
      'connections-know-errors',
      '^src/connections/',
      ['^src/(errors|error-codes)[.]ts$'],
      'Listeners know neither who answers nor who watches.',
    ),
    layer('db-knows-base', '^src/db/', [BASE], 'The database knows what travels, and no step.'),
    ...STEPS.map((step) =>
      layer(`${step}-is-a-step-alone`, `^src/${step}/`, [BASE, '^src/db/'], 'Steps know neither each other nor who calls them.'),
    ),
    layer('flow-tells-the-story-of-steps', '^src/flow/', [BASE, STEP], 'A flow knows the steps, and neither http nor the app.'),
    layer(
      'observe-watches-steps',
      '^src/observe/',
      [BASE, STEP, '^src/connections/'],
      'Who watches knows the contracts of the steps; they do not know it.',
    ),
    {
      name: 'who-watches-knows-contracts-only',
      severity: 'error',
      from: { path: '^src/observe/' },
      to: { path: STEP, dependencyTypesNot: ['type-only'] },
    },
    layer(
      'http-calls-flows',
      '^src/http/',
      [BASE, STEP, '^src/connections/', '^src/flow/', '^src/observe/observer[.]ts$'],
      'http knows flows and steps, not the app.',
    ),
    {
      name: 'contracts-are-types',
      comment: 'Who uses a step imports the types of its contract, never the code behind it.',
      severity: 'error',
      from: { path: '^src/(flow|http|cli|app|maintain)(/|[.]ts$)' },
      to: {
        path: '^src/(store|record|queue|process|publish)/',
        pathNot: '^src/store/data-dir-lock[.]ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'adapters-are-chosen-in-one-place',
      comment: 'What implements a contract is imported by src/adapters/, and by its own step; not even its types by others.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(adapters/|(${STEPS.join('|')})/)` },
      to: {
        path: [
          '^src/(record|queue|publish|accounts)/(sql|memory|redis|bullmq)[^/]*[.]ts$',
          '^src/(record|accounts)/[^/]+/(sql|memory|redis)-[^/]*[.]ts$',
          '^src/store/(filesystem|s3)/',
          '^src/process/pool/',
        ],
      },
    },
    layer(
      'adapters-know-no-http',
      '^src/adapters/',
      [BASE, STEP, '^src/(db|flow|observe)/'],
      'What a server stands on does not know who asks it.',
    ),
    layer(
      'app-composes',
      '^src/(app|maintain)[.]ts$',
      [BASE, STEP, '^src/(adapters|connections|db|flow|http|observe)/'],
      'The app does not know the command line.',
    ),
    {
      name: 'only-cli-starts-the-app',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/((cli|adapters)/|(cli|app|maintain)[.]ts$)' },
      to: { path: '^src/(app|adapters|maintain|cli)([.]ts$|/)' },
    },
    knownOnlyTo('only-db-knows-ioredis', packages('ioredis'), '^src/db/'),
    knownOnlyTo('only-queue-knows-bullmq', packages('bullmq'), '^src/queue/'),
    knownOnlyTo('only-store-knows-s3', packages('@aws-sdk', '@smithy'), '^src/store/'),
    knownOnlyTo('only-observe-knows-prometheus-and-opentelemetry', packages('@prometheus-io', '@opentelemetry'), '^src/observe/'),
    knownOnlyTo('only-db-knows-pg', packages('pg'), '^src/db/'),
    knownOnlyTo('only-process-knows-sharp', packages('sharp'), '^src/process/'),
    knownOnlyTo('only-http-knows-fastify', packages('fastify', 'fastify-[^/]+', '@fastify/(?!busboy/)[^/]+'), '^src/http/'),
    knownOnlyTo('only-receive-parses-multipart', packages('@fastify/busboy'), '^src/receive/'),
    knownOnlyTo('only-db-and-record-know-kysely', packages('kysely'), '^src/(db|record|accounts)/'),
    knownOnlyTo('only-db-and-record-know-sqlite', '^(node:)?sqlite$', '^src/(db/|record/|store/data-dir-lock[.]ts$)'),
    {
      name: 'bench-goes-through-http',
      comment: 'The bench knows the recipe, for its bare loop, the wire, and how keys are kept.',
      severity: 'error',
      from: { path: '^bench/' },
      to: { path: '^src/', pathNot: '^src/((process|rendition|api)/|image[.]ts$)' },
    },
    {
      name: 'web-knows-the-wire',
      comment: 'The page knows the types of the wire and nothing else of the server.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', pathNot: '^src/api/' },
    },
    {
      name: 'web-takes-types-only',
      comment: 'Browsers get no schemas.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // A type import is knowledge, too.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
