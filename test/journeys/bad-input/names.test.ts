// File names of any bytes: shown as they were given, used nowhere as a path.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiImage } from '../../../src/api/images.ts'
import { badInput } from '../../support/inputs/bad-input.ts'
import { ask, END_OF_PARTS, listImages, part, post, upload, type Uploaded, type Answer } from '../../support/clients/client.ts'
import { filesIn } from '../../support/servers/data-dir.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const picture = await smallPhotograph({ seed: 1 })

const NAMES: Record<string, string> = {
  'a path upwards': '../../../../etc/cron.d/evil.jpg',
  'an absolute path': '/etc/passwd',
  'a path of Windows': 'C:\\photos\\..\\holiday.jpg',
  'quotes and semicolons': 'a "quoted" name; filename=b.jpg',
  NUL: 'a\0b.jpg',
  'line ends': 'a\r\nX-Evil: yes\r\n\r\n.jpg',
  'right-to-left marks': 'photo\u202egpj.exe',
  'emoji and letters of many scripts': '📷 Größe 写真 صورة.jpg',
  'percent signs': '100%25 %2e%2e%2f.jpg',
  markup: '<img src=x onerror=alert(1)>.jpg',
  'nothing but a dot': '.',
  'as long as may be': `${'long'.repeat(255)}.jpg`,
}

onEachTopology({ BLOB_GRACE_SECONDS: '0' }, (server) => {
  badInput(server)

  async function shown(answer: Answer<Uploaded>, name: string) {
    assert.equal(answer.status, 200, answer.text.slice(0, 300))
    const { image } = answer.body
    assert.equal(image.name, name)
    assert.equal((await ask<ApiImage>(server, `/api/images/${image.id}`)).body.name, name)
    assert.ok((await listImages(server)).some((listed) => listed.id === image.id && listed.name === name))
    const original = await fetch(`${server.url}/api/images/${image.id}/original`)
    assert.deepEqual(Buffer.from(await original.arrayBuffer()), picture)
    assert.match(original.headers.get('content-disposition')!, /^attachment; filename="[^"]*"; filename\*=UTF-8''[^;\s]+$/)
    // The same bytes under every name: one original and its outputs, at names of our own.
    assert.equal((await filesIn(server.dataDir, 'originals')).length, 1)
    assert.equal((await filesIn(server.dataDir, 'renditions')).length, 2)
  }

  for (const [what, name] of Object.entries(NAMES)) {
    test(`${what}, by a form`, async () => {
      await shown(await upload(server, 'sync', [{ name, bytes: picture }]), name)
    })

    test(`${what}, by raw bytes`, async () => {
      // As browsers and curl write them (https://html.spec.whatwg.org/#multipart-form-data).
      const written = name.replace(/["\r\n]/g, encodeURIComponent)
      const body = Buffer.concat([part('image', written, picture), END_OF_PARTS])
      await shown(await post(server, { path: '/api/upload', body }), name)
    })
  }

  test('quotes behind a backslash, as older clients write them', async () => {
    const body = Buffer.concat([part('image', 'a \\"quoted\\" name.jpg', picture), END_OF_PARTS])
    await shown(await post(server, { path: '/api/upload', body }), 'a "quoted" name.jpg')
  })

  test('bytes that are no UTF-8', async () => {
    const body = Buffer.concat([part('image', Buffer.from('gr\xfc\xdfe.jpg', 'latin1'), picture), END_OF_PARTS])
    const answer = await post(server, { path: '/api/upload', body })
    assert.equal(answer.status, 200, answer.text)
    assert.match(answer.body.image.name, /^gr.+e\.jpg$/)
  })
})
