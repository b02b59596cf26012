// Light or dark: as the system has it, unless someone chose; the choice is kept in this browser.

type Theme = 'light' | 'dark'

class ThemeChoice {
  readonly #system = matchMedia('(prefers-color-scheme: dark)')
  #ofSystem = $state.raw<Theme>('light')
  #chosen = $state.raw<Theme | null>(null)

  constructor() {
    const { theme } = document.documentElement.dataset
    if (theme === 'light' || theme === 'dark') this.#chosen = theme
    this.#ofSystem = this.#system.matches ? 'dark' : 'light'
    this.#system.addEventListener('change', ({ matches }) => (this.#ofSystem = matches ? 'dark' : 'light'))
  }

  get current(): Theme {
    return this.#chosen ?? this.#ofSystem
  }

  /** To the other one. One that is the system's own is no choice any more: it follows the system again. */
  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark'
    this.#chosen = next === this.#ofSystem ? null : next
    if (this.#chosen === null) {
      delete document.documentElement.dataset.theme
      localStorage.removeItem('theme')
    } else {
      document.documentElement.dataset.theme = this.#chosen
      localStorage.setItem('theme', this.#chosen)
    }
  }
}

export const theme = new ThemeChoice()
