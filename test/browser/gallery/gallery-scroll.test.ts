// How the gallery scrolls what is taller than a browser allows: a million images, say. Figures only, without a browser.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_SCROLL_HEIGHT_PX, TallScroll } from '../../../web/src/gallery/grid/tall-scroll.ts'

const VIEW_PX = 800
const CONTENT_PX = 60_000_000
const END_PX = CONTENT_PX - VIEW_PX
const END_OF_BAR_PX = MAX_SCROLL_HEIGHT_PX - VIEW_PX

function tall(contentPx = CONTENT_PX) {
  const scroll = new TallScroll()
  scroll.resize(contentPx, VIEW_PX)
  return scroll
}

test('what fits is scrolled as it is, and nothing moves when the page is scrolled beyond it', () => {
  const scroll = tall(5_000)
  assert.equal(scroll.heightPx, 5_000)
  for (const bar of [0, 10, 3_000, 4_200]) {
    scroll.scrolledTo(bar)
    assert.equal(scroll.positionPx, bar)
    assert.equal(scroll.shiftPx, 0)
  }
  scroll.scrolledTo(4_250)
  assert.equal(scroll.positionPx, 4_200)
  assert.equal(scroll.shiftPx, 0)
})

test('a tall one is capped; the bar leads to the same part of it, and both ends are both ends', () => {
  const scroll = tall()
  assert.equal(scroll.heightPx, MAX_SCROLL_HEIGHT_PX)
  scroll.scrolledTo(END_OF_BAR_PX)
  assert.equal(scroll.positionPx, END_PX)
  scroll.scrolledTo(END_OF_BAR_PX / 2)
  assert.ok(Math.abs(scroll.positionPx - END_PX / 2) < 1)
  scroll.scrolledTo(0)
  assert.equal(scroll.positionPx, 0)
})

test('a wheel moves it by what it turned, and what is drawn stays under the pointer', () => {
  const scroll = tall()
  scroll.scrolledTo(1_000_000)
  const [before, shift] = [scroll.positionPx, scroll.shiftPx]
  for (let turn = 1; turn <= 50; turn++) {
    scroll.scrolledTo(1_000_000 + turn * 120)
    assert.equal(scroll.positionPx, before + turn * 120)
    assert.equal(scroll.shiftPx, shift)
  }
})

test('every place can be gone to, and the bar agrees', () => {
  const scroll = tall()
  for (const position of [0, 1, 12_345_678, 59_000_000, END_PX, CONTENT_PX]) {
    const bar = scroll.moveTo(position)
    scroll.scrolledTo(bar)
    assert.ok(Math.abs(scroll.positionPx - Math.min(position, END_PX)) < 1, `${position}`)
    assert.ok(bar >= 0 && bar <= END_OF_BAR_PX)
  }
})

test('when it shrinks, what is seen is still a part of it', () => {
  const scroll = tall()
  scroll.scrolledTo(END_OF_BAR_PX)
  scroll.resize(1_000, VIEW_PX)
  assert.equal(scroll.positionPx, 200)
  assert.equal(scroll.shiftPx, 0)
  scroll.resize(100, VIEW_PX)
  assert.equal(scroll.positionPx, 0)
})
