# The load script: posts images to /api/upload, all of them at once, and says on stdout what became of the requests.
# Reads {"url": …, "files": [PATH, …], "requests": N} on stdin: request i sends file i modulo their number.
import asyncio
import collections
import json
import resource
import sys
import time

import aiohttp

# So often a request is sent again that was answered 429 or 503; who is told to wait so often is not being served.
MOST_TRIES = 20


async def post(session, url, path, body, seen):
    for _ in range(MOST_TRIES):
        form = aiohttp.FormData()
        form.add_field('image', body, filename=path.rsplit('/', 1)[-1], content_type='image/jpeg')
        try:
            async with session.post(url, data=form) as answer:
                text = await answer.text()
                seen['answers'][str(answer.status)] += 1
                if answer.status not in (429, 503):
                    if answer.status != 200:
                        seen['failures'].append(f'{answer.status} {text[:200]}')
                    else:
                        seen['ids'].add(json.loads(text)['image']['id'])
                    return answer.status
                after = answer.headers.get('Retry-After', '')
        # Reset, closed without an answer, timed out: whatever is no answer.
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            seen['resets'] += 1
            seen['failures'].append(repr(error))
            return 0
        if not after.isdigit():
            seen['withoutRetryAfter'] += 1
            return answer.status
        await asyncio.sleep(int(after))
    seen['failures'].append(f'sent away {MOST_TRIES} times')
    return answer.status


async def main():
    asked = json.load(sys.stdin)
    # A socket each: the usual soft limit is 1,024.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bodies = [(path, open(path, 'rb').read()) for path in asked['files']]
    seen = {'answers': collections.Counter(), 'resets': 0, 'withoutRetryAfter': 0, 'failures': [], 'ids': set()}
    seconds = []

    async def one(session, index):
        begun = time.monotonic()
        path, body = bodies[index % len(bodies)]
        status = await post(session, asked['url'] + '/api/upload', path, body, seen)
        seconds.append(time.monotonic() - begun)
        return status

    begun = time.monotonic()
    # limit=0: as many connections as requests.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        statuses = await asyncio.gather(*(one(session, index) for index in range(asked['requests'])))
    took = time.monotonic() - begun
    seconds.sort()
    at = lambda part: round(seconds[min(len(seconds) - 1, int(part * len(seconds)))], 3)
    print(
        json.dumps(
            {
                'requests': len(statuses),
                'succeeded': sum(status == 200 for status in statuses),
                'answers': seen['answers'],
                'resets': seen['resets'],
                'withoutRetryAfter': seen['withoutRetryAfter'],
                'images': len(seen['ids']),
                'failures': seen['failures'][:5],
                'seconds': round(took, 3),
                'medianSeconds': at(0.5),
                'p95Seconds': at(0.95),
                'slowestSeconds': at(1),
            }
        )
    )


asyncio.run(main())
