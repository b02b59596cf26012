// Several who watch, told as one.
import type { Observer } from './observer.ts'

export function allObservers(observers: Observer[]): Observer {
  return {
    tell(event) {
      for (const observer of observers) observer.tell(event)
    },
    within: (request, next) => observers.reduceRight((inner, observer) => () => observer.within(request, inner), next)(),
    watch(sources) {
      for (const observer of observers) observer.watch(sources)
    },
    close: async () => void (await Promise.all(observers.map((observer) => observer.close()))),
  }
}
