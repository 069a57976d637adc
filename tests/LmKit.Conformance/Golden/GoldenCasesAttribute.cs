using System.Reflection;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>Gives a theory one case per golden file of its class's area.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenCasesAttribute : DataAttribute
{
    /// <inheritdoc/>
    public override IEnumerable<object[]> GetData(MethodInfo testMethod)
    {
        ArgumentNullException.ThrowIfNull(testMethod);
        return GoldenSource.FromEnvironment().Cases(AreaOf(testMethod.ReflectedType!)).Select(name => new object[] { name });
    }

    internal static string AreaOf(Type suite) =>
        suite.GetCustomAttribute<GoldenAreaAttribute>()?.Area
        ?? throw new InvalidOperationException($"{suite.Name} needs [GoldenArea(\"...\")], the sub-folder whose files it checks.");
}
