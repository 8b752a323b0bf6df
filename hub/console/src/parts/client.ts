// What a browser says of itself, as somebody would call it.
const BROWSERS: [RegExp, string][] = [[/Edg[A-Z]*\/(\d+)/, 'Edge'], [/MicroMessenger\/(\d+)/, 'WeChat'], [/Firefox\/(\d+)/, 'Firefox'], [/Chrom(?:e|ium)\/(\d+)/, 'Chrome'], [/Version\/(\d+).*Safari/, 'Safari'], [/HeadlessChrome\/(\d+)/, 'Chrome']]
const SYSTEMS: [RegExp, string][] = [[/Windows/, 'Windows'], [/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Mac OS X/, 'macOS'], [/HarmonyOS|OpenHarmony/, 'HarmonyOS'], [/Linux/, 'Linux']]

/** "Chrome 143 · Windows"; the text itself where it is no browser's. */
export function clientName(text: string): string {
  const browser = BROWSERS.map(([pattern, name]) => [pattern.exec(text), name] as const).find(([found]) => found)
  const system = SYSTEMS.find(([pattern]) => pattern.test(text))?.[1]
  return browser ? [`${browser[1]} ${browser[0]![1]}`, system].filter(Boolean).join(' · ') : text.slice(0, 80)
}
