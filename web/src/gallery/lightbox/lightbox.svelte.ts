// The lightbox: PhotoSwipe over the list, by places; a chunk of its own, loaded when the first image is opened.
import PhotoSwipe, { type PhotoSwipeOptions, type SlideData } from 'photoswipe'
import 'photoswipe/style.css'
import './lightbox.css'
import type { Photo } from '../photos/photo.ts'
import type { PhotoList } from '../photos/photo-list.svelte.ts'
import { blurredImage } from '../grid/placeholder.ts'

export interface LightboxOptions {
  list: PhotoList
  photo: Photo
  /** Its place in the list, or -1 where it was not found there yet: then it is alone until `found`. */
  place: number
  /** What is grown from and shrunk to. */
  thumbnailAt: (place: number) => HTMLElement | null
  isCropped: () => boolean
  /** Reads again what is not known of a picture: it was developed while the list was open. */
  lookUp: (photo: Photo) => Promise<void>
  /** It begins to close, by whatever. */
  closing: () => void
  /** It is gone. */
  closed: () => void
}

const BAR_PX = 60
const MARGIN_PX = 24
const PANEL_PX = 340
const PANEL_PART = 0.5
/** From here on the panel is beside the picture, below it is over it. */
const WIDE_PX = 820
/** Neighbours whose slides are made ahead. */
const PRELOADED = 2

export class Lightbox {
  place = $state(-1)
  photo = $state.raw<Photo>()!
  isZoomed = $state(false)
  #withDetails = $state(false)
  readonly #options: LightboxOptions
  readonly #pswp: PhotoSwipe
  #isAlone = $state(false)

  constructor(options: LightboxOptions) {
    this.#options = options
    this.#isAlone = options.place === -1
    this.place = options.place
    this.photo = options.photo
    this.#pswp = new PhotoSwipe(this.#settings())
    const pswp = this.#pswp
    pswp.addFilter('numItems', () => this.total)
    pswp.addFilter('itemData', (_data, index) => this.#slide(index))
    pswp.addFilter('thumbEl', (_element, _data, index) => (this.#isAlone ? null : options.thumbnailAt(index)) as HTMLElement)
    pswp.addFilter('placeholderSrc', (_source, content) => (content.data['blurred'] as string | undefined) ?? false)
    pswp.on('openingAnimationEnd', () => this.#keepFocus())
    pswp.on('change', () => this.#changed())
    pswp.on('zoomPanUpdate', ({ slide }) => (this.isZoomed = slide.currZoomLevel > slide.zoomLevels.fit))
    pswp.on('close', () => options.closing())
    pswp.on('destroy', () => options.closed())
  }

  /** Opens it; gives the element for what is shown over the picture. */
  open(): HTMLElement {
    this.#pswp.init()
    const { element } = this.#pswp
    if (element === undefined) throw new Error('The lightbox could not be opened')
    element.setAttribute('aria-modal', 'true')
    element.setAttribute('aria-label', 'Image viewer')
    return element
  }

  /** Whether it has opened: before, PhotoSwipe does nothing else. */
  get isOpen(): boolean {
    return this.#pswp.opener.isOpen
  }

  get total(): number {
    return this.#isAlone ? 1 : this.#options.list.total
  }

  get isAlone(): boolean {
    return this.#isAlone
  }

  get withDetails(): boolean {
    return this.#withDetails
  }

  set withDetails(shown: boolean) {
    this.#withDetails = shown
    this.#pswp.updateSize(true)
  }

  close = () => this.#whenOpen(() => this.#pswp.close())
  /** At once, also while it opens: the page is going. */
  destroy(): void {
    this.#pswp.isDestroying = true
    this.#pswp.destroy()
  }

  next = () => this.#whenOpen(() => this.#pswp.next())
  previous = () => this.#whenOpen(() => this.#pswp.prev())
  zoom = () => this.#pswp.toggleZoom()

  /** The list has read as far as the image that was opened alone. */
  found(place: number): void {
    this.#isAlone = false
    this.#rebase(place)
  }

  /** To an image of the list that was read. */
  goTo(place: number): void {
    if (place !== -1 && !this.#isAlone) this.#rebase(place)
  }

  /** The list has changed: another photo may be at this place, or none. */
  listChanged(): void {
    if (this.#isAlone) return
    const { list } = this.#options
    if (list.total === 0) return this.close()
    const known = list.placeOf(this.photo.id)
    const place = known === -1 ? Math.min(this.place, list.total - 1) : known
    if (place !== this.place || list.at(place) !== this.photo) this.#rebase(place)
  }

  /** PhotoSwipe takes the focus when it has opened, unless it was told of a pointer: a quick hand keeps it where it went. */
  #keepFocus(): void {
    const { element, options } = this.#pswp
    if (element?.contains(document.activeElement)) options.initialPointerPos = { x: 0, y: 0 }
  }

  #whenOpen(act: () => void): void {
    if (this.isOpen) act()
    else this.#pswp.on('openingAnimationEnd', () => queueMicrotask(act))
  }

  #rebase(place: number): void {
    const pswp = this.#pswp
    for (let near = this.place - PRELOADED - 1; near <= this.place + PRELOADED + 1; near++) pswp.contentLoader.removeByIndex(near)
    for (let near = place - PRELOADED - 1; near <= place + PRELOADED + 1; near++) pswp.contentLoader.removeByIndex(near)
    pswp.currIndex = place
    pswp.potentialIndex = place
    pswp.mainScroll.itemHolders.forEach((holder, index) => pswp.setContent(holder, place - 1 + index, true))
    pswp.currSlide?.setIsActive(true)
    pswp.appendHeavy()
    this.#changed()
  }

  #settings(): PhotoSwipeOptions {
    return {
      index: Math.max(0, this.#options.place),
      bgOpacity: 1,
      showHideAnimationType: this.#options.place === -1 ? 'fade' : 'zoom',
      mainClass: 'lightbox',
      // Our own, with names and places that fit the rest.
      close: false,
      zoom: false,
      counter: false,
      arrowPrev: false,
      arrowNext: false,
      loop: false,
      preload: [1, PRELOADED],
      // The panel is beside the picture, or under it where there is no room beside.
      paddingFn: ({ x, y }) => {
        const isWide = x >= WIDE_PX
        const below = isWide ? MARGIN_PX : this.#withDetails ? y * PANEL_PART : BAR_PX
        return { top: BAR_PX, bottom: below, left: 0, right: this.#withDetails && isWide ? PANEL_PX : 0 }
      },
      wheelToZoom: true,
      bgClickAction: 'close',
      tapAction: 'toggle-controls',
      imageClickAction: 'zoom',
      secondaryZoomLevel: (zoom) => Math.max(1, zoom.fit * 2),
      maxZoomLevel: (zoom) => Math.max(3, zoom.fit * 4),
      errorMsg: 'The image could not be loaded. Check the connection and open it again.',
    }
  }

  #photoAt(index: number): Photo | undefined {
    return this.#isAlone ? this.photo : this.#options.list.at(index)
  }

  #slide(index: number): SlideData {
    const photo = this.#photoAt(index)
    // Said by what lies over it: why there is no picture.
    if (!photo?.image || !photo.width || !photo.height) return { html: '<div class="lightbox-blank"></div>' }
    const blurred = photo.thumbnail ?? (photo.thumbhash && blurredImage(photo.thumbhash))
    return {
      src: photo.image,
      width: photo.width,
      height: photo.height,
      alt: photo.name,
      thumbCropped: this.#options.isCropped(),
      ...(blurred && { msrc: blurred, blurred }),
    }
  }

  #changed(): void {
    const index = this.#pswp.currIndex
    const photo = this.#photoAt(index)
    if (!this.#isAlone) {
      this.place = index
      void this.#readAround(index)
    }
    if (photo === undefined) return
    this.photo = photo
    if (photo.status === 'completed' && !photo.width) void this.#options.lookUp(photo)
  }

  /** Neighbours that were not read yet get their slides when they are. */
  async #readAround(index: number): Promise<void> {
    const { list } = this.#options
    const missing = [-PRELOADED, -1, 0, 1, PRELOADED]
      .map((step) => index + step)
      .filter((near) => near >= 0 && near < list.total && list.at(near) === undefined)
    if (missing.length === 0) return
    await list.read(index - PRELOADED, index + PRELOADED)
    for (const near of missing)
      if (list.at(near) !== undefined && this.#pswp.isOpen && !this.#pswp.isDestroying) this.#pswp.refreshSlideContent(near)
  }
}
