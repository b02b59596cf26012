// The sections of the admin area, in the order they are gone through.
import type { Component } from 'svelte'
import Cpu from '@lucide/svelte/icons/cpu'
import Gauge from '@lucide/svelte/icons/gauge'
import Image from '@lucide/svelte/icons/image'
import KeyRound from '@lucide/svelte/icons/key-round'
import Layers from '@lucide/svelte/icons/layers'
import ScrollText from '@lucide/svelte/icons/scroll-text'
import Settings from '@lucide/svelte/icons/settings-2'
import TriangleAlert from '@lucide/svelte/icons/triangle-alert'
import Users from '@lucide/svelte/icons/users'

interface Section {
  href: string
  label: string
  Icon: Component
  /** There is nothing in it on an open server. */
  isOfAccounts?: boolean
}

export const SECTIONS: Section[] = [
  { href: '/admin', label: 'Overview', Icon: Gauge },
  { href: '/admin/images', label: 'Images', Icon: Image },
  { href: '/admin/batches', label: 'Batches', Icon: Layers },
  { href: '/admin/failures', label: 'Failures', Icon: TriangleAlert },
  { href: '/admin/workers', label: 'Workers', Icon: Cpu },
  { href: '/admin/users', label: 'Users', Icon: Users, isOfAccounts: true },
  { href: '/admin/keys', label: 'Keys', Icon: KeyRound, isOfAccounts: true },
  { href: '/admin/audit', label: 'Audit log', Icon: ScrollText },
  { href: '/admin/settings', label: 'Settings', Icon: Settings },
]
