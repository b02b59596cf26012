// s3rver as a process of its own, for tests: `FOLDER BUCKET`; says its port on stdout, and ends when its stdin does.
import S3rver from 's3rver'

const [directory, bucket] = process.argv.slice(2) as [string, string]
const configureBuckets = [{ name: bucket, configs: [] }]
const server = new S3rver({ address: '127.0.0.1', port: 0, directory, silent: true, vhostBuckets: false, configureBuckets })
const { port } = await server.run()
console.log(port)
// Also when the test is killed: nothing of it stays behind.
process.stdin.resume().once('end', () => process.exit())
