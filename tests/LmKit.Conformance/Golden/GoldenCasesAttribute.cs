using System.Reflection;
using Xunit.Abstractions;

namespace LmKit.Conformance;

/// <summary>Gives a theory one case per golden file of its class's area; files without a check are skipped rows.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenCasesAttribute : GoldenRowsAttribute
{
    /// <inheritdoc/>
    public override string? ReasonToSkip(Type suite, object[] row) => Suite(suite).ReasonToSkip(GoldenSource.FromEnvironment(), (string)row[0]);

    internal static string AreaOf(Type suite) =>
        suite.GetCustomAttribute<GoldenAreaAttribute>()?.Area
        ?? throw new InvalidOperationException($"{suite.Name} needs [GoldenArea(\"...\")], the sub-folder whose files it checks.");

    /// <summary>A suite that only tells its kinds.</summary>
    internal static GoldenSuite Suite(Type suite) => (GoldenSuite)Activator.CreateInstance(suite, new Silent())!;

    /// <inheritdoc/>
    protected override IEnumerable<object[]> Rows(Type suite)
    {
        var source = GoldenSource.FromEnvironment();
        return source.Cases(AreaOf(suite)).SelectMany(name => Suite(suite).CasesOf(source, name)).Select(name => new object[] { name });
    }

    private sealed class Silent : ITestOutputHelper
    {
        public void WriteLine(string message)
        {
        }

        public void WriteLine(string format, params object[] args)
        {
        }
    }
}
