namespace LmKit;

/// <content>The search.</content>
internal sealed partial class TextPattern
{
    // One search through a text: choices lie on a stack, so no depth of a text overflows the thread's own.
    private ref struct Run(TextPattern pattern, ReadOnlySpan<char> text, long budget)
    {
        private const int Choice = -1;
        private readonly TextPattern pattern = pattern;
        private readonly ReadOnlySpan<char> text = text;
        private long left = budget;

        // Choices as (step, place, least); least is below 0 for a plain one, else how far back the characters before the place may go.
        private (int Step, int Place, int Least)[] choices = new (int, int, int)[64];
        private int count;

        // Places where turns of loops began, and heights of the stack at which atomic parts began.
        private readonly Stack<int> turns = new();
        private readonly Stack<(int Height, int Turns)> kept = new();

        /// <summary>The end of the match that begins at a place, or -1.</summary>
        internal int Match(int place)
        {
            count = 0;
            turns.Clear();
            kept.Clear();
            var step = 0;
            while (true)
            {
                if (--left < 0)
                    throw new TokenizerRefusal($"The expression '{pattern.source}' takes too many steps in a text of {text.Length} characters; it tries the same text again and again, so write it without nested repeats.");
                var now = pattern.program[step];
                var isGood = true;
                switch (now.Code)
                {
                    case Code.One:
                        isGood = place < text.Length && now.Set!.Contains(CodePointSet.At(text, place, out _));
                        if (isGood)
                            place += Width(place);
                        step++;
                        break;
                    case Code.Many:
                        isGood = Many(now, ref place, step);
                        step++;
                        break;
                    case Code.Either:
                        if (now.Set is { } set && (place >= text.Length || !set.Contains(CodePointSet.At(text, place, out _))))
                        {
                            step = now.To;
                        }
                        else
                        {
                            Push(now.To, place, Choice);
                            step++;
                        }
                        break;
                    case Code.Jump:
                        step = now.To;
                        break;
                    case Code.Count:
                        turns.Push(place);
                        Push(-1, 0, Choice); // going back past here takes the turn off again
                        step++;
                        break;
                    case Code.Turn:
                        var began = turns.Pop();
                        Push(-2, began, Choice);
                        step = place > began ? now.To : step + 1;
                        break;
                    case Code.Keep:
                        kept.Push((count, turns.Count));
                        Push(-3, 0, Choice);
                        step++;
                        break;
                    case Code.Cut:
                        var height = kept.Pop();
                        count = height.Height;
                        step++;
                        break;
                    case Code.Ahead:
                        isGood = Inner(now.Inner[0], place) >= 0 != now.IsNot;
                        step++;
                        break;
                    case Code.Behind:
                        isGood = Behind(now, place) != now.IsNot;
                        step++;
                        break;
                    case Code.Place:
                        isGood = IsPlace(now.Kind, place);
                        step++;
                        break;
                    case Code.Found:
                        return place;
                }
                if (!isGood && !Back(ref step, ref place))
                    return -1;
            }
        }

        private readonly int Width(int place) => char.IsHighSurrogate(text[place]) && place + 1 < text.Length && char.IsLowSurrogate(text[place + 1]) ? 2 : 1;

        private bool Many(Step now, ref int place, int step)
        {
            var set = now.Set!;
            var (taken, least) = (0, place);
            while (place < text.Length && taken != now.Most && set.Contains(CodePointSet.At(text, place, out var length)))
            {
                place += length;
                if (++taken == now.Least)
                    least = place;
            }
            left -= taken;
            if (taken < now.Least)
                return false;
            if (!now.IsAtomic && place > least)
                Push(step + 1, place, least);
            return true;
        }

        private void Push(int step, int place, int least)
        {
            if (count == choices.Length)
                Array.Resize(ref choices, 2 * count);
            choices[count++] = (step, place, least);
        }

        private bool Back(ref int step, ref int place)
        {
            while (count > 0)
            {
                ref var choice = ref choices[count - 1];
                if (choice.Least >= 0)
                {
                    _ = CodePointSet.Before(text, choice.Place, out var length);
                    choice.Place -= length;
                    (step, place) = (choice.Step, choice.Place);
                    if (choice.Place <= choice.Least)
                        count--;
                    left--;
                    return true;
                }
                count--;
                if (choice.Step >= 0)
                {
                    (step, place) = (choice.Step, choice.Place);
                    return true;
                }
                if (choice.Step == -1)
                    _ = turns.Pop();
                else if (choice.Step == -2)
                    turns.Push(choice.Place);
                else
                    _ = kept.Pop();
            }
            return false;
        }

        private int Inner(TextPattern inner, int place)
        {
            var run = new Run(inner, text, left);
            var end = run.Match(place);
            left = run.left;
            return end;
        }

        private bool Behind(Step now, int place)
        {
            for (var part = 0; part < now.Inner.Length; part++)
            {
                var start = place;
                var steps = now.Lengths[part];
                for (; steps > 0 && start > 0; steps--)
                {
                    _ = CodePointSet.Before(text, start, out var length);
                    start -= length;
                }
                if (steps == 0 && Inner(now.Inner[part], start) == place)
                    return true;
            }
            return false;
        }

        private readonly bool IsPlace(PatternPlace kind, int place) => kind switch
        {
            PatternPlace.TextStart => place == 0,
            PatternPlace.TextEnd => place == text.Length,
            PatternPlace.TextEndOrLastLine => place == text.Length || (place == text.Length - 1 && text[place] == '\n'),
            PatternPlace.LineStart => place == 0 || (text[place - 1] == '\n' && place < text.Length),
            PatternPlace.LineEnd => place == text.Length || text[place] == '\n',
            _ => IsWord(place) != (place > 0 && CharacterClasses.Short('w')!.Contains(CodePointSet.Before(text, place, out _))) == (kind == PatternPlace.WordBorder),
        };

        private readonly bool IsWord(int place) => place < text.Length && CharacterClasses.Short('w')!.Contains(CodePointSet.At(text, place, out _));
    }
}
