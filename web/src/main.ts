// Where the page begins.
import { mount } from 'svelte'
import './app.css'
import App from './App.svelte'

// After an update of the server, the parts that a tab still open asks for are gone: the new page has new ones.
addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem('reloaded'))
  if (Date.now() - last < 10_000) return
  event.preventDefault()
  sessionStorage.setItem('reloaded', String(Date.now()))
  location.reload()
})

mount(App, { target: document.getElementById('app')! })
