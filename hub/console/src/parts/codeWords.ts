// What the code editor says by itself, in the operator's language.
import { EditorState, type Extension } from '@codemirror/state'

const ZH: Record<string, string> = {
  '$ unchanged lines': '$ 行相同',
  'Find': '查找', 'Replace': '替换为', 'next': '下一个', 'previous': '上一个', 'all': '全部', 'match case': '区分大小写', 'by word': '整词', 'regexp': '正则表达式',
  'replace': '替换', 'replace all': '全部替换', 'close': '关闭', 'current match': '当前匹配', 'replaced $ matches': '已替换 $ 处', 'replaced match on line $': '已替换第 $ 行的匹配',
  'on line': '在第几行', 'Go to line': '转到行', 'go': '转到', 'Diagnostics': '检查', 'No diagnostics': '没有错误和提醒', 'Completions': '补全', 'Control character': '控制字符',
  'Fold line': '折叠', 'Unfold line': '展开', 'folded code': '已折叠', 'unfold': '展开', 'to': '至', 'Folded lines': '已折叠的行', 'Unfolded lines': '已展开的行', 'Selection deleted': '已删除所选',
}

export const codeWords = (locale: string): Extension => (locale === 'zh' ? EditorState.phrases.of(ZH) : [])
