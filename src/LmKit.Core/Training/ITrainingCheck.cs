using static TorchSharp.torch;

namespace LmKit;

/// <summary>A module that knows when it cannot be trained as it stands, such as an adapter that is merged into its base.</summary>
/// <remarks>Every trainer of LmKit asks with <see cref="Check"/> before it begins.</remarks>
internal interface ITrainingCheck
{
    /// <summary>Why it cannot be trained now and what to do about it, as a sentence; null when it can.</summary>
    string? WhyItCannotTrain();

    /// <summary>Refuses a module with a part that cannot be trained.</summary>
    /// <exception cref="InvalidOperationException">There is one; names it and says what to do.</exception>
    static void Check(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var (name, part) in module.named_modules().Append((string.Empty, module)))
        {
            if ((part as ITrainingCheck)?.WhyItCannotTrain() is { } reason)
                throw new InvalidOperationException($"{(name.Length == 0 ? part.GetName() : name)} cannot be trained: {reason}");
        }
    }
}
