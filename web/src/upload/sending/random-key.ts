// A key nobody else has, also on a page without a secure context, which `crypto.randomUUID` needs.
export const randomKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, '0')).join('')
