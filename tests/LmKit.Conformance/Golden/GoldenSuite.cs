using Xunit;
using Xunit.Abstractions;

namespace LmKit.Conformance;

/// <summary>Checks every golden file of one area; a package's <c>GoldenTests</c> derives from it and bears <see cref="GoldenAreaAttribute"/>.</summary>
/// <param name="output">Takes what is covered and what is not.</param>
[NoTensorLeak]
public abstract class GoldenSuite(ITestOutputHelper output)
{
    /// <summary>The check of each kind; a file's kind is the longest of these that its name starts with.</summary>
    protected abstract IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; }

    [Theory]
    [Trait("Category", "Golden")]
    [GoldenCases]
    public void Golden_data_is_reproduced(string name) =>
        GoldenSource.FromEnvironment().Run(GoldenCasesAttribute.AreaOf(GetType()), name, Checks, output.WriteLine);
}
