/** Three answers (Kleene): a condition on what is not known yet is neither true nor false. */
export type Tri = 0 | 1 | 2;
export const no: Tri = 0;
export const maybe: Tri = 1;
export const yes: Tri = 2;

export function not(value: Tri): Tri {
  return value === yes ? no : value === no ? yes : maybe;
}

/** A compiled test of T: a part of a rule. */
export type Test<T> = (subject: T) => Tri;

export function every<T>(tests: readonly Test<T>[]): Test<T> {
  if (tests.length === 1 && tests[0]) return tests[0];
  return (subject) => {
    let answer: Tri = yes;
    for (const test of tests) {
      const found = test(subject);
      if (found === no) return no;
      if (found < answer) answer = found;
    }
    return answer;
  };
}

export function some<T>(tests: readonly Test<T>[]): Test<T> {
  if (tests.length === 1 && tests[0]) return tests[0];
  return (subject) => {
    let answer: Tri = no;
    for (const test of tests) {
      const found = test(subject);
      if (found === yes) return yes;
      if (found > answer) answer = found;
    }
    return answer;
  };
}
