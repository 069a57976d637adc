using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>Golden data of an area that no package checks would pass unseen; this looks at the folder as a whole.</summary>
public class GoldenAreasTests
{
    [GoldenTheory]
    [Trait("Category", "Golden")]
    [GoldenFolders]
    public void Every_area_of_golden_data_has_a_suite(string folder) => Assert.True(
        folder == GoldenFoldersAttribute.None || GoldenFoldersAttribute.SuiteAreas().Contains(folder),
        $"not covered: {folder}; no suite has that area. Write one, or skip it by {GoldenSource.PartialVariable}=1.");
}
