// In place of react-style-singleton, by which GraphiQL's dialogs would write a style into the page that keeps what is behind
// them from scrolling. This page does not scroll, and its Content-Security-Policy allows no style but our file.

export const styleSingleton = () => () => null
