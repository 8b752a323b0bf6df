// A list of any length of which only the rows in sight are in the page: rows come in above without moving what somebody reads, and what has the focus stays.
import { computed, nextTick, onBeforeUnmount, onMounted, ref, shallowRef, triggerRef, watch, type Ref } from 'vue'
import { Strip, type Anchor, type Laid } from './strip'

/** A row that is drawn: which, where, and its place in the whole list (from 1), which a screen reader says. */
export interface Drawn<T> {
  item: T
  top_px: number
  place: number
}

export interface LongListParts<T> {
  /** The element that scrolls. */
  scroller: Ref<HTMLElement | null>
  /** The list in it; a row's element is a child with `data-id` and `data-key`. */
  list: Ref<HTMLElement | null>
  rows: Ref<T[]>
  /** What `Strip` needs of a row. */
  laid: (row: T) => Laid
  /** Rows that stay in the page wherever they are, by id (the chosen one, so that a key acts on something that is there). */
  kept?: () => (string | null)[]
}

/** How much is drawn beyond either edge, in views: a turn of the wheel finds rows there, and so does a burst of new ones. */
const BEYOND_VIEWS = 1.25

export function useLongList<T>({ scroller, list, rows, laid, kept = () => [] }: LongListParts<T>) {
  const strip = shallowRef(new Strip())
  const scrolled_px = ref(0)
  const view_px = ref(900)
  const focused = ref<string | null>(null)
  let anchor: Anchor | null = null
  let steady: string | null = null
  let width_px = 0
  let sizes: ResizeObserver | undefined

  const ids = computed(() => rows.value.map(laid))
  watch(ids, (now) => {
    strip.value.lay(now)
    triggerRef(strip)
  }, { immediate: true, flush: 'sync' })

  const height_px = computed(() => strip.value.height_px)
  const drawn = computed<Drawn<T>[]>(() => {
    const { first, end } = strip.value.span(scrolled_px.value, view_px.value, view_px.value * BEYOND_VIEWS)
    const also = [...kept(), focused.value].map((id) => (id === null ? -1 : strip.value.indexOf(id))).filter((n) => n >= 0 && (n < first || n >= end))
    const wanted = [...new Set([...also, ...Array.from({ length: end - first }, (_, n) => first + n)])].sort((a, b) => a - b)
    return wanted.map((n) => ({ item: rows.value[n]!, top_px: strip.value.top(n), place: n + 1 }))
  })
  /** How many rows stand above what is in sight. */
  const above = computed(() => (scrolled_px.value > 0 ? strip.value.at(scrolled_px.value) : 0))

  /** After drawing: measure what is there, and keep what somebody reads where it was. */
  function settle(): void {
    if (!scroller.value || !list.value) return
    const heights = new Map<string, number>()
    for (const row of list.value.querySelectorAll<HTMLElement>('[data-id]')) heights.set(row.dataset.key ?? '', row.offsetHeight)
    heights.delete('')
    if (strip.value.measured(heights)) triggerRef(strip)
    const at = anchor && strip.value.back(anchor)
    if (at !== null && Math.abs(at - scroller.value.scrollTop) >= 1) void nextTick(() => hold(at))
  }
  watch(drawn, settle, { flush: 'post' })

  function hold(at: number): void {
    if (scroller.value) scrolled_px.value = scroller.value.scrollTop = at
  }

  function scroll(): void {
    if (!scroller.value) return
    scrolled_px.value = scroller.value.scrollTop
    const held = steady === null ? null : strip.value.anchorAt(steady, scrolled_px.value, view_px.value)
    anchor = held ?? strip.value.anchor(scrolled_px.value)
  }

  /** What a key brought the focus to is in sight and stays there, whatever comes in above: who goes by keys loses it otherwise. */
  function focus(event: FocusEvent): void {
    const at = event.target as HTMLElement
    focused.value = event.type === 'focusin' ? (at.closest<HTMLElement>('[data-id]')?.dataset.id ?? null) : null
    steady = focused.value !== null && at.matches(':focus-visible') ? focused.value : null
    if (steady !== null) reveal(steady)
    else scroll()
  }

  /** Bring a row into sight, with as little movement as will do. */
  function reveal(id: string): void {
    const n = strip.value.indexOf(id)
    if (n < 0 || !scroller.value) return
    const [top, bottom] = [strip.value.top(n), strip.value.top(n + 1)]
    const from = scroller.value.scrollTop
    if (top < from) scroller.value.scrollTop = top
    else if (bottom > from + view_px.value) scroller.value.scrollTop = bottom - view_px.value
    scroll()
  }

  function toTop(): void {
    if (scroller.value) scroller.value.scrollTop = 0
    scroll()
  }

  onMounted(() => {
    const box = scroller.value!
    sizes = new ResizeObserver(() => {
      view_px.value = box.clientHeight || view_px.value
      if (width_px && box.clientWidth !== width_px) {
        strip.value.forget()
        triggerRef(strip)
      }
      width_px = box.clientWidth
    })
    sizes.observe(box)
    box.addEventListener('scroll', scroll, { passive: true })
    box.addEventListener('focusin', focus)
    box.addEventListener('focusout', focus)
    settle()
  })
  onBeforeUnmount(() => sizes?.disconnect())

  return { drawn, height_px, above, reveal, toTop }
}
