// Clients that offer HTTP/2 over cleartext with every request: curl --http2, and the HttpClient of a JDK, which does so unless told otherwise.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { promisify } from 'node:util'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { longTest } from './figures.ts'

const IMAGE_BYTES = 300_000

const JAVA = `
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpRequest.*;
import java.nio.file.Path;

public class Ask {
  static final HttpClient client = HttpClient.newHttpClient();

  static void send(String name, HttpRequest.Builder request) throws Exception {
    System.out.println(name + " " + client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode());
  }

  public static void main(String[] args) throws Exception {
    send("list", HttpRequest.newBuilder(URI.create(args[0] + "/api/list")));
    send("declare", HttpRequest.newBuilder(URI.create(args[0] + "/api/batches")).header("content-type", "application/json")
      .POST(BodyPublishers.ofString("{\\"files\\":[{\\"name\\":\\"a.jpg\\",\\"size\\":10}]}")));
    BodyPublisher form = BodyPublishers.concat(
      BodyPublishers.ofString("--b\\r\\ncontent-disposition: form-data; name=\\"image\\"; filename=\\"a.jpg\\"\\r\\n\\r\\n"),
      BodyPublishers.ofFile(Path.of(args[1])),
      BodyPublishers.ofString("\\r\\n--b--\\r\\n"));
    send("upload", HttpRequest.newBuilder(URI.create(args[0] + "/api/upload"))
      .header("content-type", "multipart/form-data; boundary=b").POST(form));
    send("nothing", HttpRequest.newBuilder(URI.create(args[0] + "/no/such/address")).DELETE());
  }
}
`

const run = promisify(execFile)

/** What a program printed. Rejects with the line to run where it is not installed. */
async function output(program: string, args: string[], aptPackage: string): Promise<string> {
  try {
    return (await run(program, args)).stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`This test needs ${program}. Install with: sudo apt-get install -y --no-install-recommends ${aptPackage}`, {
      cause: error,
    })
  }
}

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calotype-upgrade-'))
  await writeFile(join(folder, 'a.jpg'), await smallPhotograph({ seed: 1, bytes: IMAGE_BYTES }))
  await writeFile(join(folder, 'Ask.java'), JAVA)
})
after(() => rm(folder, { recursive: true }))

onEachTopology({ LOG_LEVEL: 'error' }, (calotype) => {
  longTest('a JDK is answered as every other client', async () => {
    const said = await output('java', [join(folder, 'Ask.java'), calotype.url, join(folder, 'a.jpg')], 'default-jdk-headless')
    assert.equal(said, 'list 200\ndeclare 201\nupload 200\nnothing 404\n')
  })

  longTest('curl --http2 is answered as every other client', async () => {
    const curl = (...args: string[]) =>
      output('curl', ['--http2', '--silent', '--output', join(folder, 'answer'), '--write-out', '%{http_code}', ...args], 'curl')
    assert.equal(await curl(`${calotype.url}/api/list`), '200')
    assert.equal(await curl('--json', '{"files":[{"name":"a.jpg","size":10}]}', `${calotype.url}/api/batches`), '201')
    assert.equal(await curl('--form', `image=@${join(folder, 'a.jpg')}`, `${calotype.url}/api/upload`), '200')
  })
})
