// Signing out by one's own will: what was typed and not sent is deleted from this browser, which the next person may use, and that is asked first.
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import { draftsOf, forgetDrafts } from '@/state/drafts'
import { useSession } from '@/state/session'

export function useLeave(): () => Promise<void> {
  const session = useSession()
  const router = useRouter()
  const { t } = useI18n()
  return async () => {
    const [person, count] = [session.person, draftsOf(session.person)]
    if (count && !confirm(t('session.draftsGo', { count }))) return
    await session.close()
    forgetDrafts(person)
    await router.push({ name: 'sign-in' })
  }
}
