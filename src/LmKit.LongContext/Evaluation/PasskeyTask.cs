using static TorchSharp.torch;

namespace LmKit;

/// <summary>A text in which a key is hidden, and a question for it.</summary>
/// <param name="Tokens">The prompt, the question included.</param>
/// <param name="Answer">The key that is asked for.</param>
/// <param name="Depth">How deep it lies: 0 at the beginning of the filler, 1 at its end.</param>
public sealed record PasskeyPrompt(IReadOnlyList<int> Tokens, PasskeyKey Answer, double Depth);

/// <summary>A key: what names it, and what it is.</summary>
/// <param name="Label">Which of several keys it is, from 0.</param>
/// <param name="Value">Its value: token ids in the form of tokens, one number in the form of a text.</param>
public sealed record PasskeyKey(int Label, IReadOnlyList<int> Value);

/// <summary>Makes prompts with hidden keys (passkey retrieval, Mohtashami and Jaggi 2023; Han et al. 2024, section 5.3).</summary>
public abstract class PasskeyTask
{
    /// <summary>The most keys of a prompt.</summary>
    public abstract int MaxKeyCount { get; }

    /// <summary>Greedy tokens after which an answer is read.</summary>
    public abstract int AnswerLength { get; }

    /// <summary>Makes a prompt.</summary>
    /// <param name="length">Tokens of the prompt: exactly so many in the form of tokens, at most in the form of a text.</param>
    /// <param name="keyCount">Keys that are hidden; one of them is asked for.</param>
    /// <param name="depth">How deep the asked one lies, from 0 to 1; null for a random depth.</param>
    /// <param name="random">Source of keys and places.</param>
    /// <exception cref="ArgumentException">The length has no room for the keys, or the task not so many.</exception>
    public abstract PasskeyPrompt Make(long length, int keyCount, double? depth, Generator random);

    /// <summary>Whether the tokens that a model gave are the answer.</summary>
    /// <param name="prompt">What was asked.</param>
    /// <param name="given"><see cref="AnswerLength"/> tokens.</param>
    public abstract bool IsRight(PasskeyPrompt prompt, IReadOnlyList<int> given);

    /// <summary>Refuses arguments that no prompt can be made of.</summary>
    private protected void Check(int keyCount, double? depth)
    {
        if (keyCount < 1 || keyCount > MaxKeyCount)
            throw new ArgumentOutOfRangeException(nameof(keyCount), keyCount, $"The task hides from 1 to {MaxKeyCount} keys in a prompt.");
        if (depth is { } given && !(given >= 0 && given <= 1))
            throw new ArgumentOutOfRangeException(nameof(depth), given, "A depth is from 0 to 1.");
    }

    /// <summary>Slots of the filler for each key, in ascending order, and which of them is asked for.</summary>
    /// <param name="slots">Slots there are, at least as many as keys.</param>
    /// <param name="keyCount">Keys.</param>
    /// <param name="depth">Depth of the asked one; null for a random one.</param>
    /// <param name="random">Source of the others.</param>
    private protected static (int[] Slots, int Asked) Places(int slots, int keyCount, double? depth, Generator random)
    {
        var asked = depth is { } given ? (int)Math.Round(given * (slots - 1)) : Draw(slots, random);
        var taken = new SortedSet<int> { asked };
        while (taken.Count < keyCount)
            taken.Add(Draw(slots, random));
        int[] all = [.. taken];
        return (all, Array.IndexOf(all, asked));
    }

    /// <summary>A whole number from 0 to below a bound.</summary>
    private protected static int Draw(int bound, Generator random)
    {
        using var drawn = randint(0, bound, [1], dtype: ScalarType.Int64, generator: random);
        return (int)drawn.item<long>();
    }

    /// <summary>Different numbers from 0 to below a bound.</summary>
    private protected static int[] DrawDifferent(int count, int bound, Generator random)
    {
        using var order = randperm(bound, generator: random);
        return [.. order.data<long>().Take(count).Select(value => (int)value)];
    }
}
