using System.Text;

namespace LmKit;

/// <summary>A step from tokens to text; steps are a chain, and each gives what is certain to the next at once.</summary>
/// <remarks>
/// A chain serves one text and one thread; <see cref="Flush"/> ends the text. Whether its input is one token a call or fragments of one long
/// token (behind a step that joins all) is told when the chain is made. All pieces joined are the decoded whole.
/// </remarks>
internal abstract class TokenDecoder
{
    /// <summary>The next step; null at the end of the chain.</summary>
    internal TokenDecoder? Next { get; set; }

    /// <summary>The end of the chain: what is certain of the text.</summary>
    internal StringBuilder Text { get; set; } = new();

    /// <summary>Whether the calls are fragments of one token.</summary>
    internal bool IsJoined { get; set; }

    /// <summary>Whether the next step gets fragments of one token.</summary>
    internal virtual bool Joins => IsJoined;

    /// <summary>Whether a part of a character waits for the rest.</summary>
    internal virtual bool Waits => Next?.Waits ?? false;

    /// <summary>Whether anything is held that was not given on.</summary>
    internal virtual bool Holds => Next?.Holds ?? false;

    /// <summary>Takes a token.</summary>
    internal abstract void Add(string token);

    /// <summary>Ends the text and begins another.</summary>
    internal virtual void Flush() => Next?.Flush();

    protected void Give(string token)
    {
        if (Next is null)
            _ = Text.Append(token);
        else
            Next.Add(token);
    }

    /// <summary>Joins steps; without any, tokens are joined by blanks.</summary>
    internal static TokenDecoder Chain(IEnumerable<TokenDecoder> steps, StringBuilder text)
    {
        TokenDecoder? first = null;
        TokenDecoder? last = null;
        foreach (var made in steps)
        {
            var step = last is { Joins: true } && made is not (JoinDecoder or ReplaceDecoder { IsLocal: true } or StripDecoder) ? new CollectDecoder(made) : made;
            step.IsJoined = last?.Joins ?? false;
            if (last is null)
                first = step;
            else
                last.Next = step;
            last = step;
        }
        first ??= new BlankDecoder();
        for (var step = first; step is not null; step = step.Next)
            step.Text = text;
        return first;
    }
}

/// <summary>Tokens with a blank between them.</summary>
internal sealed class BlankDecoder : TokenDecoder
{
    private bool hasBegun;

    internal override void Add(string token)
    {
        Give(hasBegun ? " " + token : token);
        hasBegun = true;
    }

    internal override void Flush()
    {
        hasBegun = false;
        base.Flush();
    }
}

/// <summary>All tokens as one.</summary>
internal sealed class JoinDecoder : TokenDecoder
{
    internal override bool Joins => true;

    internal override void Add(string token) => Give(token);
}

/// <summary>Holds fragments of one token back until it is whole, for a step that must see all of it.</summary>
internal sealed class CollectDecoder(TokenDecoder step) : TokenDecoder
{
    private readonly StringBuilder held = new();

    internal override bool Joins => true;

    internal override bool Holds => held.Length > 0 || base.Holds;

    internal override void Add(string token) => _ = held.Append(token);

    internal override void Flush()
    {
        step.Next = Next;
        step.Text = Text;
        if (held.Length > 0)
            step.Add(held.ToString());
        _ = held.Clear();
        step.Flush();
    }
}

/// <summary>Marks back to blanks; those of the first token are dropped where encoding put one before the text.</summary>
internal sealed class MetaspaceDecoder(char mark, bool drops) : TokenDecoder
{
    private bool hasBegun;

    internal override void Add(string token)
    {
        Give(hasBegun || !drops ? token.Replace(mark, ' ') : token.Replace(mark.ToString(), "", StringComparison.Ordinal));
        hasBegun = true;
    }

    internal override void Flush()
    {
        hasBegun = false;
        base.Flush();
    }
}
