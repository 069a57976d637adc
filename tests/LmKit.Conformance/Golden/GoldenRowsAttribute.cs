using System.Reflection;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>The rows of a <see cref="GoldenTheoryAttribute"/>, some of which may be skipped.</summary>
public abstract class GoldenRowsAttribute : DataAttribute
{
    /// <summary>Why a row is reported as skipped; null when it runs.</summary>
    public abstract string? ReasonToSkip(Type suite, object[] row);

    /// <inheritdoc/>
    public sealed override IEnumerable<object[]> GetData(MethodInfo testMethod)
    {
        ArgumentNullException.ThrowIfNull(testMethod);
        return Rows(testMethod.ReflectedType!);
    }

    /// <summary>The rows for a test class.</summary>
    protected abstract IEnumerable<object[]> Rows(Type suite);
}
