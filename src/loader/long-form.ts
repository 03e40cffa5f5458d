export function longForm(t: object): object { return t; }
