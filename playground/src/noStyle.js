// Replaces react-style-singleton, with which GraphiQL's dialogs insert a style that stops the page
// behind them from scrolling. This page does not scroll, and its Content-Security-Policy allows
// the style sheet only.

export const styleSingleton = () => () => null
