// Small words of the video screens.
/** The local time of day of a moment. */
export function clockTime(at: string | number): string {
  return new Date(at).toLocaleTimeString('zh-CN', { hour12: false })
}
